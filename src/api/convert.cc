#include "visionpress/convert.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>

#include "api/check_conversion.h"
#include "api/encode_weights.h"
#include "api/open_input.h"
#include "api/plan.h"
#include "base/error.h"
#include "base/output_file.h"
#include "base/parallel.h"
#include "base/stop.h"
#include "formats/format_table.h"
#include "formats/tflite/tflite_builder.h"
#include "formats/tflite/tflite_reader.h"
#include "transform/prepare_tflite.h"

namespace visionpress {
namespace {

Result<void> check_format(const Graph& graph) {
  if (graph.format == Format::TfLite) {
    return fail(ErrorKind::Usage,
                "this is a TFLite file already; `visionpress compress` compresses it");
  }
  if (graph.format != Format::GraphDef) {
    return fail(ErrorKind::Unsupported,
                "{} files are not converted yet, only TensorFlow frozen graphs (.pb)",
                name_of(graph.format));
  }
  if (graph.inputs.size() != 1) {
    return fail(ErrorKind::Unsupported, "it has {} inputs, models of one are converted",
                graph.inputs.size());
  }
  return {};
}

Result<void> check_operators(const Graph& graph) {
  std::string refused;
  for (const Node& node : graph.nodes) {
    const auto* unsupported = std::get_if<Unsupported>(&node.op);
    if (unsupported == nullptr) continue;
    refused += fmt::format("{}{:.200} \"{:.200}\" ({})", refused.empty() ? "" : ", ",
                           node.source_type, node.name, unsupported->why);
  }
  if (!refused.empty()) return fail(ErrorKind::Unsupported, "cannot be converted: {}", refused);
  return {};
}

/// The input's sizes; open_model has put the ones that were asked for where the file leaves them
/// open.
Result<Shape> choose_input_shape(const Graph& graph, const ConvertOptions& options) {
  const Tensor& input = graph.tensor(graph.inputs[0]);
  Shape shape = input.shape;
  if (!shape.empty() && shape[0] < 0) shape[0] = 1;
  if (options.input_size && shape.size() != 4) {
    return fail(ErrorKind::Usage, "the input \"{}\" has shape {}, it is no image", input.name,
                to_string(input.shape));
  }
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t size) { return size < 0; })) {
    return fail(ErrorKind::Usage, "the input \"{}\" has shape {}; --input-size WxH gives its size",
                input.name, to_string(input.shape));
  }
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) {
    return fail(ErrorKind::Unsupported, "the input \"{}\" has shape {}, which holds nothing",
                input.name, to_string(input.shape));
  }
  return shape;
}

/// Compares the written bytes with the pieces they came from.
bool equals_pieces(Bytes written, const std::vector<Bytes>& pieces, int threads) {
  struct Part {
    Bytes meant = {};
    std::size_t at = 0;
  };
  constexpr std::size_t kPart = std::size_t{1} << 20;
  std::vector<Part> parts;
  std::size_t at = 0;
  for (const Bytes piece : pieces) {
    for (std::size_t begin = 0; begin < piece.size(); begin += kPart) {
      parts.push_back({piece.subspan(begin, std::min(kPart, piece.size() - begin)), at + begin});
    }
    at += piece.size();
  }
  if (at != written.size()) return false;
  std::atomic<bool> same = true;
  parallel_for(parts.size(), threads, [&](std::size_t i) {
    const Part& part = parts[i];
    if (std::memcmp(written.data() + part.at, part.meant.data(), part.meant.size()) != 0)
      same = false;
  });
  return same;
}

/// The written file must be what was meant, byte for byte, and our own reader must accept it.
Result<OpenedModel> verify_pieces(const std::string& path, const std::vector<Bytes>& pieces,
                                  int threads) {
  VP_ASSIGN_OR_RETURN(OpenedModel written, open_model(path));
  if (!equals_pieces(written.bytes(), pieces, threads)) {
    return fail(ErrorKind::Internal, "the bytes read back differ from those written");
  }
  return written;
}

ByteBuffer join(const std::vector<Bytes>& pieces) {
  std::size_t size = 0;
  for (const Bytes piece : pieces) size += piece.size();
  ByteBuffer joined(size);
  std::size_t at = 0;
  for (const Bytes piece : pieces) {
    if (!piece.empty()) std::memcpy(joined.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
  return joined;
}

/// A TFLite file in memory and its reader.
struct FloatModel {
  ByteBuffer bytes = {};
  std::unique_ptr<SourceModel> source = {};
};

Result<FloatModel> open_pieces(const std::vector<Bytes>& pieces) {
  FloatModel model;
  model.bytes = join(pieces);
  Diagnostics ignored;
  VP_ASSIGN_OR_RETURN(model.source, read_tflite(model.bytes, ignored));
  return model;
}

/// TensorFlow 1.12 ran 8-bit kernels in these operators alone.
void keep_what_is_not_hybrid(const Graph& graph, std::vector<PlannedWeight>& plan) {
  for (const Node& node : graph.nodes) {
    const auto* conv = std::get_if<Conv2d>(&node.op);
    const bool hybrid = conv != nullptr ? !conv->transposed && conv->groups == 1
                                        : std::holds_alternative<FullyConnected>(node.op);
    if (hybrid || node.inputs.size() < 2 || node.inputs[1] == kNoTensor) continue;
    const auto& weight = graph.tensor(node.inputs[1]).weight;
    if (!weight || !plan[*weight].kept_because.empty()) continue;
    plan[*weight].kept_because = "TensorFlow 1.12 has no 8-bit kernel for its operator";
  }
}

class Converter {
 public:
  Converter(const ConvertOptions& options, int threads) : options_(options), threads_(threads) {}

  Result<ConvertResult> convert();

 private:
  [[nodiscard]] Result<void> check_output() const;
  /// The graph as TFLite takes it; borrows from the model.
  [[nodiscard]] Result<OwnedGraph> prepare(const OpenedModel& model);
  [[nodiscard]] Result<std::vector<PlannedWeight>> plan_weights(const SourceModel& model,
                                                                const Scheme& scheme) const;
  void add_rows(std::vector<Encoded> all);
  Result<void> write_float(const Graph& source, const FilePieces& file);
  Result<void> write_compressed(const Graph& source, const FilePieces& file, const Scheme& scheme);
  /// Runs the float32 form beside the source. errors: Internal where they disagree.
  Result<void> check(const Graph& source, const Graph& written);
  /// What weights in fewer bits change, said and not judged.
  Result<void> measure(const Graph& source, const std::string& path);
  /// When what is left of the check's time is up.
  [[nodiscard]] Stop time_limit() const;
  Result<OutputFile> create_output() const {
    return OutputFile::create(result_.output,
                              options_.overwrite ? Overwrite::Allow : Overwrite::Refuse);
  }
  /// A file of ours that we cannot read back is our own fault, whatever the reader calls it.
  tl::unexpected<Error> not_written(const Error& error) const {
    return fail(ErrorKind::Internal, "{}: not written, since reading it back failed: {}",
                result_.output, error.message);
  }

  const ConvertOptions& options_;
  int threads_;
  Shape input_shape_ = {};  ///< of the one input, all sizes known
  ConvertResult result_ = {};
};

/// Adds the time from its making to its end.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

std::string describe(const OutputDifference& difference) {
  if (!difference.other_form.empty()) return difference.other_form;
  if (std::isinf(difference.share)) {
    return fmt::format(
        "output \"{}\" holds numbers where its source has none, or none where it has",
        difference.output);
  }
  return fmt::format("output \"{}\" differs by {:.2g} of its range, {} is the most",
                     difference.output, difference.share, kMostConvertedDifference);
}

Stop Converter::time_limit() const {
  // Longer than anybody waits, and no sum of it overflows the clock.
  constexpr double kLongest = 1e9;
  const std::chrono::duration<double> left(
      std::min(options_.check_seconds - result_.check.seconds, kLongest));
  const auto now = std::chrono::steady_clock::now();
  return {now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(left), nullptr};
}

Result<void> Converter::check(const Graph& source, const Graph& written) {
  if (!options_.check) return {};
  const Stopwatch watch(result_.check.seconds);
  const auto outcome = compare_conversion(source, written, input_shape_, threads_, time_limit());
  if (!outcome) {
    return fail(ErrorKind::Internal,
                "{}: not written, since its source runs here and it does not: {}", result_.output,
                outcome.error().message);
  }
  if (outcome->was_stopped) {
    result_.check.not_done_because = fmt::format("given up after {:g} s", options_.check_seconds);
    result_.warnings.push_back(
        fmt::format("not checked: run beside its source it takes more than {:g} s, which "
                    "--check-seconds allows",
                    options_.check_seconds));
    return {};
  }
  if (!outcome->not_done_because.empty()) {
    result_.check.not_done_because = outcome->not_done_because;
    result_.warnings.push_back(fmt::format("not checked, since the source cannot be run here: {}",
                                           outcome->not_done_because));
    return {};
  }
  if (!outcome->difference.other_form.empty() ||
      outcome->difference.share > kMostConvertedDifference) {
    return fail(ErrorKind::Internal,
                "{}: not written, since run here beside its source {}; --no-check writes it",
                result_.output, describe(outcome->difference));
  }
  result_.check.done = true;
  result_.check.difference = outcome->difference.share;
  if (outcome->not_finite > 0) {
    result_.warnings.push_back(
        fmt::format("{} of {} values that the network gives on the picture of the check are NaN or "
                    "infinite, in its source too",
                    outcome->not_finite, outcome->values));
  }
  return {};
}

Result<void> Converter::measure(const Graph& source, const std::string& path) {
  if (!result_.check.done) return {};
  const Stopwatch watch(result_.check.seconds);
  VP_ASSIGN_OR_RETURN(const OpenedModel written, open_model(path));
  VP_ASSIGN_OR_RETURN(
      const ConversionOutcome outcome,
      measure_conversion(source, written.graph(), input_shape_, threads_, time_limit()));
  if (outcome.was_stopped) {
    result_.warnings.push_back(
        fmt::format("what the new weights change was not measured: it takes more than {:g} s, "
                    "which --check-seconds allows",
                    options_.check_seconds));
    return {};
  }
  if (outcome.difference.other_form.empty() && std::isfinite(outcome.difference.share)) {
    result_.check.scheme_difference = outcome.difference.share;
    return {};
  }
  // How many boxes are found may change with the weights; numbers should stay numbers.
  if (!outcome.difference.other_form.empty()) return {};
  result_.warnings.push_back(
      fmt::format("with weights as {} output \"{}\" holds NaN or infinity on the picture of the "
                  "check, which its source does not",
                  options_.weights, outcome.difference.output));
  return {};
}

Result<void> Converter::write_float(const Graph& source, const FilePieces& file) {
  VP_ASSIGN_OR_RETURN(OutputFile output, create_output());
  VP_RETURN_IF_ERROR(output.write(file.pieces));
  const auto written = verify_pieces(output.temporary_path(), file.pieces, threads_);
  if (!written) return not_written(written.error());
  result_.layers_after = written->graph().nodes.size();
  VP_RETURN_IF_ERROR(check(source, written->graph()));
  for (const Bytes piece : file.pieces) result_.bytes_after += piece.size();
  return output.commit();
}

Result<std::vector<PlannedWeight>> Converter::plan_weights(const SourceModel& model,
                                                           const Scheme& scheme) const {
  CompressOptions compress;
  compress.input = options_.input;
  compress.scheme = options_.weights;
  VP_ASSIGN_OR_RETURN(std::vector<PlannedWeight> plan, make_plan(model, scheme, compress));
  if (options_.compatibility == Compatibility::TensorFlow112) {
    keep_what_is_not_hybrid(model.graph(), plan);
    for (PlannedWeight& planned : plan) planned.encode.ties_away = true;
  }
  return plan;
}

void Converter::add_rows(std::vector<Encoded> all) {
  for (Encoded& encoded : all) result_.weights.push_back(std::move(encoded.row));
}

Result<void> Converter::write_compressed(const Graph& source, const FilePieces& file,
                                         const Scheme& scheme) {
  VP_ASSIGN_OR_RETURN(const FloatModel model, open_pieces(file.pieces));
  const Graph& graph = model.source->graph();
  VP_RETURN_IF_ERROR(check(source, graph));
  VP_ASSIGN_OR_RETURN(const std::vector<PlannedWeight> plan, plan_weights(*model.source, scheme));
  VP_ASSIGN_OR_RETURN(std::vector<Encoded> all, encode_all(graph, plan, scheme, threads_));
  RewriteOptions rewrite;
  if (options_.compatibility == Compatibility::TensorFlow112) {
    rewrite.integer_form = IntegerForm::TensorFlow112;
  }
  VP_ASSIGN_OR_RETURN(const FilePieces pieces, model.source->rewrite(list_edits(all), rewrite));
  VP_ASSIGN_OR_RETURN(OutputFile output, create_output());
  VP_RETURN_IF_ERROR(output.write(pieces.pieces));
  if (auto verified = verify_written(output.temporary_path(), graph, all); !verified) {
    return not_written(verified.error());
  }
  if (auto measured = measure(source, output.temporary_path()); !measured)
    return not_written(measured.error());
  result_.layers_after = graph.nodes.size();
  for (const Bytes piece : pieces.pieces) result_.bytes_after += piece.size();
  add_rows(std::move(all));
  return output.commit();
}

Result<void> Converter::check_output() const {
  VP_RETURN_IF_ERROR(check_not_read(result_.output, {&options_.input, 1}));
  const std::string extension = std::filesystem::path(result_.output).extension().string();
  if (extension == extension_of(Format::GraphDef) || extension == extension_of(Format::CoreMl) ||
      extension == ".zip") {
    return fail(ErrorKind::Usage, "{}: a TFLite file is written, whose name ends in {}",
                result_.output, extension_of(Format::TfLite));
  }
  // Refused before the work, not after it.
  std::error_code ignored;
  if (!options_.overwrite && std::filesystem::exists(result_.output, ignored)) {
    VP_RETURN_IF_ERROR(create_output());
  }
  return {};
}

Result<OwnedGraph> Converter::prepare(const OpenedModel& model) {
  // First the size: what follows from an open one is no fault of the operators.
  VP_ASSIGN_OR_RETURN(input_shape_, choose_input_shape(model.graph(), options_));
  VP_RETURN_IF_ERROR(check_operators(model.graph()));
  const Shape& declared = model.graph().tensor(model.graph().inputs[0]).shape;
  PrepareOptions prepare;
  prepare.input_shape = input_shape_;
  prepare.open_batch = !declared.empty() && declared[0] < 0;
  prepare.fuse_leaky_relu = options_.compatibility == Compatibility::Current;
  prepare.threads = threads_;
  return prepare_for_tflite(model.graph(), prepare);
}

/// Null where the file stays in float32.
Result<const Scheme*> choose_weights(const ConvertOptions& options) {
  const Scheme* scheme = nullptr;
  if (options.weights.empty()) return scheme;
  VP_ASSIGN_OR_RETURN(scheme, choose_scheme(options.weights));
  if (options.compatibility == Compatibility::TensorFlow112 && scheme->name != "linear-8-tensor") {
    return fail(ErrorKind::Usage, "TensorFlow 1.12 knows the scheme linear-8-tensor alone, not {}",
                options.weights);
  }
  return scheme;
}

Result<ConvertResult> Converter::convert() {
  VP_ASSIGN_OR_RETURN(const Scheme* scheme, choose_weights(options_));
  result_.input = options_.input;
  result_.output = options_.output;
  if (result_.output.empty()) {
    result_.output = std::filesystem::path(options_.input).replace_extension(".tflite").string();
  }
  VP_ASSIGN_OR_RETURN(
      const OpenedModel model,
      open_input(options_.input, read_options(options_.input_size, options_.settings)));
  if (auto checked = check_format(model.graph()); !checked)
    return in_file(checked.error(), options_.input);
  VP_RETURN_IF_ERROR(check_output());
  const auto prepared = prepare(model);
  if (!prepared) return in_file(prepared.error(), options_.input);
  const auto file = build_tflite(prepared->graph);
  if (!file) return in_file(file.error(), options_.input);
  result_.from = name_of(model.graph().format);
  result_.to = name_of(Format::TfLite);
  result_.scheme = scheme == nullptr ? "float32" : options_.weights;
  result_.bytes_before = model.size_bytes();
  result_.layers_before = model.graph().nodes.size();
  result_.warnings = model.warnings;
  warn_of_package(model, result_.warnings);
  if (scheme == nullptr) {
    VP_RETURN_IF_ERROR(write_float(model.graph(), *file));
  } else {
    VP_RETURN_IF_ERROR(write_compressed(model.graph(), *file, *scheme));
  }
  return std::move(result_);
}

}  // namespace

Result<ConvertResult> convert(const ConvertOptions& options) {
  if (options.threads < 0) {
    return fail(ErrorKind::InvalidArgument, "threads is {}, expected 0 or more", options.threads);
  }
  if (!(options.check_seconds > 0.0)) {
    return fail(ErrorKind::InvalidArgument, "check-seconds is {:g}, expected more than 0",
                options.check_seconds);
  }
  if (options.input_size) {
    for (const std::int64_t size : *options.input_size) {
      constexpr std::int64_t kLargest = 1 << 16;
      if (size < 1 || size > kLargest) {
        return fail(ErrorKind::InvalidArgument, "an input of {} x {} pixels, expected 1 to {}",
                    (*options.input_size)[0], (*options.input_size)[1], kLargest);
      }
    }
  }
  const int threads = options.threads > 0 ? options.threads : default_thread_count();
  return Converter(options, threads).convert();
}

}  // namespace visionpress
