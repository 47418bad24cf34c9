// Encoding, decoding and copying the weights of one detector: 11 million floats in eight layers, as
// Tiny YOLOv2 for 20 tags has them. Throughput is of the float bytes; `copy` is the yardstick.

#include <cstring>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/buffer.h"
#include "codecs/decode.h"
#include "codecs/family.h"

namespace visionpress {
namespace {

struct Layer {
  Shape shape = {};
  std::vector<float> weights = {};
};

const std::vector<Layer>& detector_layers() {
  static const std::vector<Layer> kLayers = [] {
    std::vector<Layer> layers;
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0.0F, 0.05F);
    for (const auto& [out, in] :
         {std::pair(16, 3), std::pair(32, 16), std::pair(64, 32), std::pair(128, 64),
          std::pair(256, 128), std::pair(512, 256), std::pair(1024, 512), std::pair(512, 1024)}) {
      Layer layer;
      layer.shape = {out, in, 3, 3};
      layer.weights.resize(static_cast<std::size_t>(out) * static_cast<std::size_t>(in) * 9);
      for (float& value : layer.weights) value = normal(random);
      layers.push_back(std::move(layer));
    }
    return layers;
  }();
  return kLayers;
}

void report_bytes(benchmark::State& state) {
  std::size_t bytes = 0;
  for (const Layer& layer : detector_layers()) bytes += layer.weights.size() * sizeof(float);
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}

void copy(benchmark::State& state) {
  for (auto _ : state) {
    for (const Layer& layer : detector_layers()) {
      ByteBuffer out(layer.weights.size() * sizeof(float));
      std::memcpy(out.data(), layer.weights.data(), out.size());
      benchmark::DoNotOptimize(out.data());
    }
  }
  report_bytes(state);
}

void encode(benchmark::State& state, const char* name) {
  const Form form = *parse_form(name);
  const Family* family = find_family(form);
  EncodeError error;
  EncodeOptions options;
  options.threads = static_cast<int>(state.range(0));
  options.error = &error;
  for (auto _ : state) {
    for (const Layer& layer : detector_layers()) {
      auto encoded = family->encode(layer.weights, layer.shape, form, options);
      benchmark::DoNotOptimize(encoded->codes.data());
    }
  }
  report_bytes(state);
}

std::vector<EncodedWeight> encode_all(const char* name) {
  const Form form = *parse_form(name);
  const Family* family = find_family(form);
  std::vector<EncodedWeight> all;
  for (const Layer& layer : detector_layers()) {
    all.push_back(*family->encode(layer.weights, layer.shape, form, EncodeOptions()));
  }
  return all;
}

void decode(benchmark::State& state, const char* name) {
  const std::vector<EncodedWeight> all = encode_all(name);
  std::vector<std::vector<float>> out;
  for (const Layer& layer : detector_layers()) out.emplace_back(layer.weights.size());
  for (auto _ : state) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto done = decode_weight(all[i].view(), out[i], static_cast<int>(state.range(0)));
      if (!done) state.SkipWithError(done.error().message.c_str());
    }
  }
  report_bytes(state);
}

void measure(benchmark::State& state, const char* name) {
  const std::vector<EncodedWeight> all = encode_all(name);
  for (auto _ : state) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto error = measure_error(detector_layers()[i].weights, all[i].view(),
                                 static_cast<int>(state.range(0)));
      benchmark::DoNotOptimize(error->snr_db);
    }
  }
  report_bytes(state);
}

void each_thread_count(benchmark::internal::Benchmark* bench) {
  bench->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
}

BENCHMARK(copy)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(encode, fp16, "fp16")->Apply(each_thread_count);
BENCHMARK_CAPTURE(encode, linear_8, "linear-8")->Apply(each_thread_count);
BENCHMARK_CAPTURE(encode, linear_8_tensor, "linear-8-tensor")->Apply(each_thread_count);
BENCHMARK_CAPTURE(decode, fp16, "fp16")->Apply(each_thread_count);
BENCHMARK_CAPTURE(decode, linear_8, "linear-8")->Apply(each_thread_count);
BENCHMARK_CAPTURE(measure, fp16, "fp16")->Apply(each_thread_count);
BENCHMARK_CAPTURE(measure, linear_8, "linear-8")->Apply(each_thread_count);

}  // namespace
}  // namespace visionpress

BENCHMARK_MAIN();
