//go:build !mattn

package main

import _ "modernc.org/sqlite"

const driver = "sqlite"

func source(path string) string { return "file:" + path + "?mode=rw&_pragma=busy_timeout(20000)" }
