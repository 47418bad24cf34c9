#include "infer/model_runner.h"

#include <algorithm>

#include "base/error.h"
#include "infer/open_input.h"
#include "infer/teachable_machine.h"

namespace visionpress {
namespace {

/// The number of classes of a vector with one value per class: every axis but one is 1.
std::size_t count_classes(const Shape& shape) {
  std::size_t classes = 0;
  for (const std::int64_t size : shape) {
    if (size <= 1) continue;
    if (classes != 0) return 0;
    classes = static_cast<std::size_t>(size);
  }
  return classes;
}

/// Whether nothing says how pixels are scaled. The networks of detection heads and Custom Vision's
/// exports take 0..255: the latter are known by their package or their 227 pixels.
bool guesses_range(const Graph& graph, bool is_detector, const PackageHint& hint) {
  const bool export_kind =
      is_detector || !hint.source.empty() || graph.input_info.width == kSqueezeNetSide;
  return !export_kind && !tells_range(graph);
}

std::vector<Shape> list_shapes(const std::vector<OutputView>& outputs) {
  std::vector<Shape> shapes;
  shapes.reserve(outputs.size());
  for (const OutputView& output : outputs) shapes.push_back(output.shape);
  return shapes;
}

/// Fills task, head or class_output, and class_count.
/// shapes: of a run's outputs.
void recognise_task(const std::vector<Shape>& shapes, std::size_t label_count,
                    ModelRunner& runner) {
  Result<Head> head = recognise_head(outline_network(runner.model.graph(), shapes, label_count));
  if (head) {
    runner.task = ModelTask::Detection;
    runner.class_count = head->found.class_count;
    runner.head = std::move(*head);
    return;
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::size_t classes = count_classes(shapes[i]);
    // Without labels, a vector counts as classes only if it is the only output: landmarks and
    // embeddings are vectors too.
    if (classes == 0 || (label_count > 0 ? classes != label_count : shapes.size() > 1)) continue;
    runner.task = ModelTask::Classification;
    runner.class_output = i;
    runner.class_count = classes;
    return;
  }
  const std::string each =
      label_count > 0 ? fmt::format("of {} labels", label_count) : std::string("class");
  runner.raw_because =
      fmt::format("neither boxes nor one value for each {} ({})", each, head.error().message);
}

/// Fails where the input cannot be an image at any size, and says what it is: a vector, a table, a
/// row.
Result<void> check_image_input(const Graph& graph) {
  if (graph.inputs.empty()) return {};
  const Tensor& input = graph.tensor(graph.inputs.front());
  const bool is_fixed = std::ranges::all_of(input.shape, [](std::int64_t n) { return n >= 0; });
  const InputInfo& info = graph.input_info;
  if (!is_fixed || (info.width > 1 && info.height > 1)) return {};
  return fail(ErrorKind::Unsupported,
              "input \"{}\" is {} {}, which is not an image: expected height, width and 1 or 3 "
              "channels",
              input.name, name_of(input.dtype), to_string(input.shape));
}

/// The order of a picture's values. Some files with N,H,W,C tensors take N,C,H,W input and
/// transpose it first.
Layout picture_layout(const Graph& graph, const Shape& input) {
  const InputInfo& info = graph.input_info;
  const bool is_planar = input.size() == 4 && input[1] == info.channels &&
                         input[2] == info.height && input[3] == info.width;
  return is_planar && input[3] != info.channels ? Layout::ChannelsFirst : graph.layout;
}

std::size_t count_input_values(const ModelRunner& runner) {
  return static_cast<std::size_t>(element_count(runner.executor->input_shape()).value_or(0));
}

/// AutoML's dict.txt is taken if it fits: other programs use the name for other lists.
void drop_unfit_dictionary(FoundLabels& found, const RunnerOptions& options, ModelRunner& runner) {
  const bool is_found = options.labels.empty() && found.file.ends_with("dict.txt");
  if (!is_found || check_label_count(found, {}, runner.class_count)) return;
  runner.model.warnings.push_back(fmt::format("{} has {} lines for {} classes; it is not used",
                                              found.file, found.labels.size(), runner.class_count));
  found = {};
}

/// Fills executor, labels and task. returns: the labels and where they were found.
Result<FoundLabels> compile_graph(ModelRunner& runner, const std::string& path,
                                  const RunnerOptions& options) {
  const Graph& graph = runner.model.graph();
  ExecutorOptions executor_options;
  executor_options.arithmetic = options.arithmetic;
  executor_options.threads = options.threads;
  VP_ASSIGN_OR_RETURN(Executor executor, Executor::create(graph, executor_options));
  runner.executor.emplace(std::move(executor));
  VP_ASSIGN_OR_RETURN(FoundLabels found, find_labels(runner.model, path, options.labels));
  // A file may leave the shapes of its outputs open; one run decides them.
  VP_ASSIGN_OR_RETURN(Session session, runner.executor->make_session(options.threads));
  const std::vector<float> zeros(count_input_values(runner), 0.0F);
  VP_RETURN_IF_ERROR(session.run(zeros));
  recognise_task(list_shapes(session.outputs()), found.labels.size(), runner);
  if (runner.task != ModelTask::Raw) {
    drop_unfit_dictionary(found, options, runner);
    VP_RETURN_IF_ERROR(check_label_count(found, path, runner.class_count));
  }
  runner.labels = found.labels;
  if (std::string odd = describe_label_order(found, runner.model); !odd.empty()) {
    runner.model.warnings.push_back(std::move(odd));
  }
  return found;
}

/// Fills preprocess, once the task is known. labels: as they were found.
Result<void> choose_runner_preprocess(ModelRunner& runner, const FoundLabels& labels,
                                      const RunnerOptions& options) {
  const Graph& graph = runner.model.graph();
  const PreprocessUse classifier =
      options.crops ? PreprocessUse::CropClassifier : PreprocessUse::Classifier;
  const PreprocessUse use =
      runner.task == ModelTask::Detection ? PreprocessUse::Detector : classifier;
  const PackageHint hint = choose_model_hint(runner.model, labels, options.package);
  const Layout layout = picture_layout(graph, runner.executor->input_shape());
  const HeadPixels pixels = runner.head.kind != nullptr ? runner.head.kind->pixels : HeadPixels();
  VP_ASSIGN_OR_RETURN(runner.preprocess, choose_preprocess(graph.input_info, layout, use,
                                                           options.preprocess, hint, pixels));
  for (std::string& warning : list_overrides(graph, options.preprocess, runner.preprocess)) {
    runner.model.warnings.push_back(std::move(warning));
  }
  if (runner.preprocess.mean.empty() &&
      guesses_range(graph, runner.task == ModelTask::Detection, hint)) {
    runner.preprocess.range_is_guess = true;
    runner.model.warnings.emplace_back(kRangeGuess);
  }
  if (runner.preprocess.value_count() != count_input_values(runner)) {
    return fail(ErrorKind::Unsupported, "the input {} is not an image of {}x{}",
                to_string(runner.executor->input_shape()), runner.preprocess.width,
                runner.preprocess.height);
  }
  return {};
}

Result<void> compile(ModelRunner& runner, const std::string& path, const RunnerOptions& options) {
  VP_RETURN_IF_ERROR(check_image_input(runner.model.graph()));
  VP_ASSIGN_OR_RETURN(const FoundLabels labels, compile_graph(runner, path, options));
  return choose_runner_preprocess(runner, labels, options);
}

}  // namespace

Result<ModelRunner> ModelRunner::create(const std::string& path, const RunnerOptions& options) {
  VP_ASSIGN_OR_RETURN(OpenedModel model, open_input(path, read_options(options.preprocess)));
  return create(std::move(model), options);
}

Result<ModelRunner> ModelRunner::create(OpenedModel model, const RunnerOptions& options) {
  ModelRunner runner;
  runner.model = std::move(model);
  const std::string path = runner.model.files.path();
  if (auto compiled = compile(runner, path, options); !compiled)
    return in_file(compiled.error(), path);
  return runner;
}

bool guesses_range(const OpenedModel& model, const FoundLabels& labels) {
  const Graph& graph = model.graph();
  const InputInfo& info = graph.input_info;
  const bool is_image =
      info.width != 1 && info.height != 1 && (info.channels == 1 || info.channels == 3);
  if (!is_image) return false;
  std::vector<Shape> shapes;
  for (const TensorId id : graph.outputs) {
    shapes.push_back(graph.tensor(id).shape);
    if (!shapes.back().empty() && shapes.back().front() < 0)
      shapes.back().front() = 1;  // the batch
  }
  const PackageHint hint = choose_model_hint(model, labels);
  const NetworkOutline outline = outline_network(graph, shapes, labels.labels.size());
  return guesses_range(graph, recognise_head(outline).has_value(), hint);
}

std::vector<std::string> list_warnings(const ModelRunner& runner) {
  std::vector<std::string> warnings = runner.model.warnings;
  if (runner.labels.empty() && runner.task != ModelTask::Raw) {
    warnings.push_back(
        fmt::format("no labels for its {} classes, which are numbered: none in the model, no "
                    "labels.txt or NAME_labels.txt beside it (--labels FILE)",
                    runner.class_count));
  }
  return warnings;
}

}  // namespace visionpress
