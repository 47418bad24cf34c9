#include "visionpress/convert.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/output_file.h"
#include "base/parallel.h"
#include "formats/format_table.h"
#include "formats/tflite/tflite_builder.h"
#include "formats/tflite/tflite_reader.h"
#include "infer/open_input.h"
#include "infer/output_path.h"
#include "press/press.h"
#include "press/verify.h"
#include "press/write_verified.h"
#include "transform/check_conversion.h"
#include "transform/convertible.h"
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

/// A TFLite file in memory and its reader.
struct FloatModel {
  ByteBuffer bytes = {};
  std::unique_ptr<SourceModel> source = {};
};

Result<FloatModel> open_pieces(const FilePieces& file) {
  FloatModel model;
  model.bytes = join(file);
  Diagnostics ignored;
  VP_ASSIGN_OR_RETURN(model.source, read_tflite(model.bytes, ignored));
  return model;
}

class Converter {
 public:
  Converter(const ConvertOptions& options, int threads) : options_(options), threads_(threads) {}

  Result<ConvertResult> convert();

 private:
  [[nodiscard]] Result<std::string> choose_output() const;
  [[nodiscard]] Result<void> check_output(const OpenedModel& model) const;
  /// The graph in the form that TFLite takes; borrows from the model.
  [[nodiscard]] Result<OwnedGraph> prepare(const OpenedModel& model);
  [[nodiscard]] PressOptions press_options(const Form& form) const;
  Result<void> write_float(const Graph& source, const FilePieces& file);
  Result<void> write_compressed(const Graph& source, const FilePieces& file, const Form& form);
  /// Runs the float32 form and the source on the same picture. errors: Internal where they
  /// disagree.
  Result<void> check(const Graph& source, const Graph& written);
  [[nodiscard]] WriteTarget target() const {
    return {.path = result_.output,
            .overwrite = options_.overwrite ? Overwrite::Allow : Overwrite::Refuse};
  }

  const ConvertOptions& options_;
  int threads_;
  Shape input_shape_ = {};  ///< of the one input, all sizes known
  ConvertResult result_ = {};
};

Result<void> Converter::check(const Graph& source, const Graph& written) {
  if (!options_.check) return {};
  if (auto checked = check_conversion(source, written, input_shape_, threads_,
                                      options_.check_seconds, result_);
      !checked) {
    return fail(checked.error().kind, "{}: not written, since {}", result_.output,
                checked.error().message);
  }
  return {};
}

Result<void> Converter::write_float(const Graph& source, const FilePieces& file) {
  VP_RETURN_IF_ERROR(write_verified(
      target(),
      {.write = [&](OutputSet& output) { return output.write_file(file.pieces); },
       .verify =
           [&](const OpenedModel& written) {
             result_.layers_after = written.graph().nodes.size();
             return verify_bytes(written.bytes(), file, threads_);
           },
       .accept = [&](const OpenedModel& written) { return check(source, written.graph()); }}));
  result_.bytes_after = count_bytes(file);
  return {};
}

PressOptions Converter::press_options(const Form& form) const {
  PressOptions press;
  press.form = form;
  press.threads = threads_;
  if (options_.compatibility == Compatibility::TensorFlow112) {
    press.rewrite.integer_form = IntegerForm::TensorFlow112;
  }
  return press;
}

Result<void> Converter::write_compressed(const Graph& source, const FilePieces& file,
                                         const Form& form) {
  VP_ASSIGN_OR_RETURN(const FloatModel model, open_pieces(file));
  const Graph& graph = model.source->graph();
  VP_RETURN_IF_ERROR(check(source, graph));
  const PressOptions press = press_options(form);
  VP_ASSIGN_OR_RETURN(const Plan plan, make_plan(*model.source, press));
  CodeStore store(graph, {.ties_away = options_.compatibility == Compatibility::TensorFlow112,
                          .threads = threads_});
  VP_ASSIGN_OR_RETURN(std::vector<PressedWeight> pressed, encode_plan(plan, store));
  VP_ASSIGN_OR_RETURN(const FilePieces pieces,
                      model.source->rewrite(list_edits(pressed), press.rewrite));
  VP_RETURN_IF_ERROR(write_verified(
      target(), {.write = [&](OutputSet& output) { return output.write_file(pieces.pieces); },
                 .verify = [&](const OpenedModel& written) -> Result<void> {
                   VP_RETURN_IF_ERROR(
                       verify_written(*model.source, press.rewrite, pressed, written.graph()));
                   return measure_scheme(source, written.graph(), input_shape_, threads_,
                                         options_.check_seconds, result_);
                 }}));
  result_.layers_after = graph.nodes.size();
  result_.bytes_after = count_bytes(pieces);
  for (PressedWeight& weight : pressed) result_.weights.push_back(std::move(weight.row));
  return {};
}

Result<void> Converter::check_output(const OpenedModel& model) const {
  VP_RETURN_IF_ERROR(check_replaces_no_part(result_.output, model, options_.input));
  const std::string extension = std::filesystem::path(result_.output).extension().string();
  if (extension == extension_of(Format::GraphDef) || extension == extension_of(Format::CoreMl) ||
      extension == ".zip") {
    return fail(ErrorKind::Usage, "{}: a TFLite file is written, whose name ends in {}",
                result_.output, extension_of(Format::TfLite));
  }
  // Refused before the work, not after it.
  std::error_code ignored;
  if (!options_.overwrite && std::filesystem::exists(result_.output, ignored)) {
    VP_RETURN_IF_ERROR(OutputFile::create(result_.output, Overwrite::Refuse));
  }
  return {};
}

Result<std::string> Converter::choose_output() const {
  namespace fs = std::filesystem;
  fs::path path(options_.input);
  if (!path.has_filename()) path = path.parent_path();  // "saved/"
  path.replace_extension(extension_of(Format::TfLite));
  if (options_.output.empty()) return path.string();
  return choose_output_path(options_.output, path.filename().string());
}

Result<OwnedGraph> Converter::prepare(const OpenedModel& model) {
  // The size comes first: failures that follow from an open size are not the operators' fault.
  VP_ASSIGN_OR_RETURN(input_shape_,
                      choose_input_shape(model.graph(), options_.input_size.has_value()));
  VP_RETURN_IF_ERROR(check_convertible(model.graph()));
  const Shape& declared = model.graph().tensor(model.graph().inputs[0]).shape;
  PrepareOptions prepare;
  prepare.input_shape = input_shape_;
  prepare.open_batch = !declared.empty() && declared[0] < 0;
  prepare.fuse_leaky_relu = options_.compatibility == Compatibility::Current;
  prepare.threads = threads_;
  return prepare_for_tflite(model.graph(), prepare);
}

/// Nothing where the file stays in float32.
Result<std::optional<Form>> choose_weights(const ConvertOptions& options) {
  if (options.weights.empty()) return std::nullopt;
  VP_ASSIGN_OR_RETURN(const Form form, choose_form(options.weights));
  if (options.compatibility == Compatibility::TensorFlow112 &&
      options.weights != "linear-8-tensor") {
    return fail(ErrorKind::Usage, "TensorFlow 1.12 knows the scheme linear-8-tensor alone, not {}",
                options.weights);
  }
  return form;
}

Result<ConvertResult> Converter::convert() {
  VP_ASSIGN_OR_RETURN(const std::optional<Form> form, choose_weights(options_));
  result_.input = options_.input;
  VP_ASSIGN_OR_RETURN(result_.output, choose_output());
  VP_ASSIGN_OR_RETURN(
      const OpenedModel model,
      open_input(options_.input, read_options(options_.input_size, options_.settings)));
  if (auto checked = check_format(model.graph()); !checked)
    return in_file(checked.error(), options_.input);
  VP_RETURN_IF_ERROR(check_output(model));
  const auto prepared = prepare(model);
  if (!prepared) return in_file(prepared.error(), options_.input);
  const auto file = build_tflite(prepared->graph);
  if (!file) return in_file(file.error(), options_.input);
  result_.from = name_of(model.graph().format);
  result_.to = name_of(Format::TfLite);
  result_.scheme = form ? options_.weights : "float32";
  result_.bytes_before = model.size_bytes();
  result_.layers_before = model.graph().nodes.size();
  result_.warnings = model.warnings;
  warn_of_package(model, result_.warnings);
  warn_of_extension(result_.output, Format::TfLite, result_.warnings);
  if (form) {
    VP_RETURN_IF_ERROR(write_compressed(model.graph(), *file, *form));
  } else {
    VP_RETURN_IF_ERROR(write_float(model.graph(), *file));
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
  const int threads = options.threads > 0 ? options.threads : default_thread_count();
  return Converter(options, threads).convert();
}

}  // namespace visionpress
