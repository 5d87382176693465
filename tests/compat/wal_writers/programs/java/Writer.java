// sqlite-jdbc: runs each line of a file as a statement; says SQLite's version.
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;

class Writer {
    public static void main(String[] arguments) throws Exception {
        try (Connection db = DriverManager.getConnection("jdbc:sqlite:" + arguments[0]);
                Statement statement = db.createStatement()) {
            statement.execute("PRAGMA busy_timeout = 20000");
            for (String line : Files.readAllLines(Path.of(arguments[1]))) {
                if (!line.isBlank()) {
                    statement.execute(line);
                }
            }
            try (ResultSet version = statement.executeQuery("SELECT sqlite_version()")) {
                System.out.println(version.getString(1));
            }
        }
    }
}
