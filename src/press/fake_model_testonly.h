#pragma once

// A model in memory whose format refuses forms where a test wants it to.

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/source_model.h"
#include "press/press_options.h"

namespace visionpress {

/// The file is all payloads one after the other; a rewrite puts codes in their places.
class FakeModel : public SourceModel {
 public:
  /// Adds a float32 weight in its own layer. returns: its index.
  std::size_t add_weight(const std::string& name, Shape shape,
                         WeightRole role = WeightRole::Kernel) {
    const auto count = static_cast<std::size_t>(element_count(shape).value_or(0));
    std::mt19937 random(static_cast<unsigned>(graph_.weights.size()) + 1);
    std::normal_distribution<float> normal(0.0F, 0.1F);
    std::vector<float>& values = values_.emplace_back(count);
    for (float& value : values) value = normal(random);
    Weight weight;
    weight.name = name;
    weight.layer = name.substr(0, name.find(':'));
    weight.path = "fake." + name;
    weight.role = role;
    weight.layer_group = graph_.weights.size();
    weight.stored.shape = std::move(shape);
    weight.stored.payload = std::as_bytes(std::span(values));
    graph_.weights.push_back(std::move(weight));
    return graph_.weights.size() - 1;
  }

  [[nodiscard]] Weight& weight(std::size_t index) { return graph_.weights[index]; }
  [[nodiscard]] std::vector<float>& values(std::size_t index) { return values_[index]; }
  /// Size of the whole file.
  [[nodiscard]] std::uint64_t size_bytes() const {
    std::uint64_t bytes = 0;
    for (const Weight& weight : graph_.weights) bytes += weight.stored.payload.size();
    return bytes;
  }

  /// Makes a chain of fully connected layers of the weights.
  void chain_layers() {
    TensorId value = graph_.add_tensor({.name = "input"});
    graph_.inputs = {value};
    for (std::size_t i = 0; i < graph_.weights.size(); ++i) {
      Tensor kernel{.name = graph_.weights[i].name, .shape = graph_.weights[i].stored.shape};
      kernel.weight = i;
      Node node{.name = graph_.weights[i].layer, .op = FullyConnected{}};
      node.inputs = {value, graph_.add_tensor(std::move(kernel))};
      value = graph_.add_tensor({.name = graph_.weights[i].layer});
      node.outputs = {value};
      graph_.nodes.push_back(std::move(node));
    }
    graph_.outputs = {value};
  }

  [[nodiscard]] const Graph& graph() const override { return graph_; }
  [[nodiscard]] Result<void> check_rewritable() const override {
    if (rewritable) return {};
    return fail(ErrorKind::Unsupported, "a fake that is not rewritten");
  }
  [[nodiscard]] FormRules rules(const Form& form) const override {
    return {.whole_layers = whole_layers && form.encoding == Encoding::Float16};
  }
  [[nodiscard]] Form adapt(std::size_t /*index*/, const Form& wish) const override {
    Form form = wish;
    form.is_signed = wish.encoding == Encoding::Linear && signed_codes;
    return form;
  }
  [[nodiscard]] std::string why_not(std::size_t index, const Form& form,
                                    const RewriteOptions& /*options*/) const override {
    return refuse ? refuse(index, form) : "";
  }
  [[nodiscard]] WeightCode stored_code(std::size_t /*index*/, const WeightCode& code,
                                       const RewriteOptions& /*options*/) const override {
    WeightCode stored = code;
    if (codes_are_bytes && code.bits < 8) stored.bits = 8;
    return stored;
  }
  [[nodiscard]] Result<FilePieces> rewrite(std::span<const WeightEdit> edits,
                                           const RewriteOptions& /*options*/) const override {
    FilePieces file;
    for (std::size_t i = 0; i < graph_.weights.size(); ++i) {
      const auto edit =
          std::ranges::find_if(edits, [i](const WeightEdit& each) { return each.index == i; });
      file.pieces.push_back(edit == edits.end() ? graph_.weights[i].stored.payload
                                                : Bytes(edit->value->codes));
    }
    file.owned.emplace_back(extra_bytes);
    if (!edits.empty()) file.pieces.emplace_back(file.owned.back());
    return file;
  }

  bool rewritable = true;
  bool whole_layers = false;
  bool signed_codes = false;
  bool codes_are_bytes = false;
  std::size_t extra_bytes = 0;  ///< that any edit adds to the file
  std::function<std::string(std::size_t, const Form&)> refuse = nullptr;

 private:
  Graph graph_ = {};
  std::deque<std::vector<float>> values_ = {};
};

/// The graph that a reader would find in the written file; borrows from `pressed` and `source`.
template <typename Pressed>
Graph read_back(const SourceModel& source, const Pressed& pressed) {
  Graph graph = source.graph();
  for (std::size_t i = 0; i < pressed.size(); ++i) {
    if (pressed[i].codes) graph.weights[i].stored = pressed[i].codes->view();
  }
  return graph;
}

/// The options of a press that asks for the form of this name.
inline PressOptions wish(const char* name) {
  PressOptions options;
  options.form = *parse_form(name);
  return options;
}

}  // namespace visionpress
