//go:build mattn

package main

import _ "github.com/mattn/go-sqlite3"

const driver = "sqlite3"

func source(path string) string { return "file:" + path + "?mode=rw&_busy_timeout=20000" }
