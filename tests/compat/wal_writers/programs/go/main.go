// Runs each line of a file as a statement, on one connection; says SQLite's version. Which driver
// it uses is chosen by the build: driver_mattn.go or driver_modernc.go.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"strings"
)

func main() {
	db, err := sql.Open(driver, source(os.Args[1]))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	connection, err := db.Conn(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	file, err := os.Open(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		if _, err := connection.ExecContext(context.Background(), lines.Text()); err != nil {
			log.Fatalf("%s: %v", lines.Text(), err)
		}
	}
	var version string
	if err := connection.QueryRowContext(context.Background(), "SELECT sqlite_version()").Scan(&version); err != nil {
		log.Fatal(err)
	}
	fmt.Println(version)
}
