#include "sqlite_ext/statement_handle.h"

#include "sqlite_ext/recorder.h"

namespace colony {

StatementHandle prepared(sqlite3* db, const std::string& sql, const char* what) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) throw_record_error(db, what);
  return StatementHandle(statement);
}

void bind_value(sqlite3_stmt* statement, int index, const Value& value) {
  switch (value.type) {
    case ValueType::kInteger:
      sqlite3_bind_int64(statement, index, value.integer);
      break;
    case ValueType::kReal:
      sqlite3_bind_double(statement, index, value.real);
      break;
    case ValueType::kText:
      sqlite3_bind_text64(statement, index, value.data, value.size, SQLITE_STATIC, SQLITE_UTF8);
      break;
    case ValueType::kBlob:
      sqlite3_bind_blob64(statement, index, value.size == 0 ? "" : value.data, value.size, SQLITE_STATIC);
      break;
    default:
      sqlite3_bind_null(statement, index);
  }
}

}  // namespace colony
