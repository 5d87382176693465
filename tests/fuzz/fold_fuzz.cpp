// The fold of a stranger's changeset: refused, or applied to two files alike, with
// the same conflicts; and the inverse of its effect brings back the former rows.
#include <memory>
#include <string>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/sample.h"
#include "tests/unit/memory_node.h"

namespace colony::fuzz {
namespace {

using unit::MemoryFold;

std::string all_rows(MemoryFold& file) { return file.rows("objects") + "--\n" + file.rows("\"odd names\""); }

// What it does to the rows of `file`, which are left as they were.
std::string outcome(MemoryFold& file, std::string_view changeset) {
  const WriteTransaction never_committed(file.db());
  const std::string before = all_rows(file);
  try {
    Conflicts conflicts;
    Spill effect = file.fold().apply_recorded(changeset, conflicts);
    std::string after = all_rows(file) + unit::shown_conflicts(conflicts);
    Spill inverse = invert(effect, SpillSettings());
    Conflicts none;
    file.fold().apply(inverse, none);
    require(all_rows(file) == before, "the inverse of the effect brings back the former rows");
    require(none.empty(), "the inverse of the effect meets what it knows");
    return after;
  } catch (const SchemaMismatch& mismatch) {
    return std::string("mismatch: ") + mismatch.what();
  } catch (const ChangesetError& error) {
    return std::string("no changeset: ") + error.what();
  } catch (const SqliteError& error) {
    return "refused: " + std::to_string(error.extended_code());
  }
}

void try_fold(std::string_view changeset) {
  static MemoryFold one(kSampleSchema, kSampleRows);
  static MemoryFold other(kSampleSchema, kSampleRowsInAnotherOrder);
  const std::string a = outcome(one, changeset), b = outcome(other, changeset);
  if (a != b) std::fprintf(stderr, "one file:\n%s\nanother file:\n%s\n", a.c_str(), b.c_str());
  require(a == b, "two files make the same of it");
}

}  // namespace
}  // namespace colony::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  colony::fuzz::try_fold(colony::fuzz::bytes_of(data, size));
  return 0;
}
