#pragma once

// A set of files with some of them replaced, written whole or not at all.
//
//   VP_ASSIGN_OR_RETURN(OutputSet output, OutputSet::create("small.zip", FileSet::Kind::Archive,
//                                                           Overwrite::Refuse));
//   VP_RETURN_IF_ERROR(output.write_copy(files, replaced));
//   VP_RETURN_IF_ERROR(check(output.temporary_path()));
//   VP_RETURN_IF_ERROR(output.commit());

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/output_file.h"
#include "base/output_folder.h"
#include "model/source_model.h"
#include "package/file_set.h"
#include "visionpress/result.h"

namespace visionpress {

/// New bytes for one file of a set.
struct ReplacedFile {
  std::string name = {};
  FilePieces content = {};
};

/// The bytes of an archive with some entries replaced; every other entry stays as it is packed.
/// errors: Malformed for a name that the archive does not have, and as replace_entries.
[[nodiscard]] Result<ByteBuffer> repack(const FileSet& archive,
                                        std::span<const ReplacedFile> replaced);

/// A file, a folder or an archive that gets its name from `commit`; without a commit nothing is
/// left behind.
class OutputSet {
 public:
  /// errors: Output, as OutputFile and OutputFolder.
  [[nodiscard]] static Result<OutputSet> create(const std::string& path, FileSet::Kind kind,
                                                Overwrite overwrite);

  /// For Kind::File: the whole file, its pieces in order. errors: Output.
  [[nodiscard]] Result<void> write_file(std::span<const Bytes> pieces);
  /// Writes the source's files, with new bytes for those in `replaced`. If none is replaced, an
  /// archive is copied byte for byte. source: of this output's kind.
  /// errors: Output; those of reading the source, naming it; Malformed for a replaced file that the
  /// source does not have.
  [[nodiscard]] Result<void> write_copy(const FileSet& source,
                                        std::span<const ReplacedFile> replaced);

  /// The path of the output until `commit`, for reading it back.
  [[nodiscard]] const std::string& temporary_path() const;
  /// Gives the output its name. errors: Output; the target is then unchanged.
  [[nodiscard]] Result<void> commit();

 private:
  using Output = std::variant<OutputFile, OutputFolder>;
  explicit OutputSet(Output output) : output_(std::move(output)) {}

  Output output_;
};

}  // namespace visionpress
