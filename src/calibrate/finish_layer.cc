#include "calibrate/finish_layer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/bytes.h"
#include "codecs/decode.h"
#include "codecs/fp16.h"

namespace visionpress {
namespace {

/// The bias, where its values stand in the file as float32 and may change.
std::optional<std::size_t> find_float_bias(const Graph& graph, const KernelMatrix& matrix) {
  if (!matrix.bias) return std::nullopt;
  const Weight& weight = graph.weights[*matrix.bias];
  const bool is_free =
      weight.stored.code.encoding == Encoding::Float32 && weight.fixed_because.empty();
  return is_free ? matrix.bias : std::nullopt;
}

/// Halves keep a corrected bias well within the noise of integer codes, and they take fewer bytes
/// of a file or of its download. Values in the range of halves have an SNR of 66 dB or more.
constexpr double kLeastHalfSnr = 60.0;

Result<EncodedWeight> encode_bias(const std::vector<float>& values, const Shape& shape) {
  EncodeError error;
  VP_ASSIGN_OR_RETURN(EncodedWeight halves,
                      fp16_family().encode(values, shape, {}, {.error = &error}));
  if (error.saturated == 0 && error.snr_db >= kLeastHalfSnr) return halves;
  return store_floats(values, shape);
}

Result<std::optional<FinishedBias>> correct_bias(const Graph& graph, std::size_t bias,
                                                 const std::vector<double>& change) {
  const Weight& weight = graph.weights[bias];
  VP_ASSIGN_OR_RETURN(std::vector<float> values, load_weight(weight.stored));
  if (values.size() != change.size()) return std::nullopt;
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(values[i] + change[i]);
  VP_ASSIGN_OR_RETURN(EncodedWeight corrected, encode_bias(values, weight.stored.shape));
  return FinishedBias{bias, std::make_shared<const EncodedWeight>(std::move(corrected))};
}

}  // namespace

std::size_t choose_sample_count(const KernelMatrix& matrix) {
  constexpr std::size_t kPerColumn = 4;
  constexpr std::size_t kLeast = 32768;
  // Groups of a depthwise kernel have few columns and are many.
  constexpr std::size_t kLeastOfGroup = 8192;
  return std::max(kPerColumn * matrix.columns(), matrix.groups > 1 ? kLeastOfGroup : kLeast);
}

Result<std::vector<FinishedLayer>> finish_layer(const Graph& graph, const KernelMatrix& matrix,
                                                std::span<const KernelStart> starts,
                                                const MomentCollector& collector,
                                                const RoundKernelOptions& options) {
  VP_ASSIGN_OR_RETURN(const std::vector<float> values,
                      load_weight(graph.weights[matrix.weight].stored, options.threads));
  std::vector<RoundedKernel> rounded = round_kernel(matrix, starts, values, collector, options);
  const std::optional<std::size_t> bias = find_float_bias(graph, matrix);
  std::vector<FinishedLayer> layers;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    FinishedLayer layer;
    layer.samples = rounded[i].samples;
    layer.not_because = rounded[i].not_because;
    layer.snr_db = 10.0 * std::log10(rounded[i].signal / rounded[i].noise);
    layer.codes = starts[i].codes;
    if (layer.not_because.empty()) {
      layer.codes = std::make_shared<const EncodedWeight>(std::move(rounded[i].codes));
      if (bias) {
        VP_ASSIGN_OR_RETURN(layer.bias, correct_bias(graph, *bias, rounded[i].mean_change));
      }
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace visionpress
