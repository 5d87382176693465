// better-sqlite3: runs each line of a file as a statement; says SQLite's version.
const fs = require('fs');
const Database = require('better-sqlite3');

const db = new Database(process.argv[2], { timeout: 20000, fileMustExist: true });
for (const line of fs.readFileSync(process.argv[3], 'utf8').split('\n')) {
  if (line.trim() !== '') db.exec(line);
}
console.log(db.prepare('SELECT sqlite_version()').pluck().get());
db.close();
