#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/huge_pages.h"
#include "base/parallel.h"
#include "kernels/transpose.h"
#include "run/operator.h"
#include "transform/passes.h"

namespace visionpress {
namespace {

/// One matrix whose rows and columns change places.
struct Transposition {
  Bytes from = {};
  MutableBytes to = {};
  std::size_t rows = 0;
  std::size_t columns = 0;
};

std::size_t size_at(const Shape& shape, std::size_t axis) {
  return static_cast<std::size_t>(shape[axis]);
}

class KernelPreparer {
 public:
  KernelPreparer(OwnedGraph& owned, int threads) : owned_(owned), threads_(threads) {}

  Result<void> prepare() {
    VP_RETURN_IF_ERROR(decode_all());
    for (Node& node : owned_.graph.nodes) {
      if (auto* conv = std::get_if<Conv2d>(&node.op)) VP_RETURN_IF_ERROR(arrange(node, *conv));
      if (auto* matrix = std::get_if<FullyConnected>(&node.op)) arrange(node, *matrix);
    }
    run_transpositions();
    return {};
  }

 private:
  Weight* find_kernel(const Node& node) {
    if (node.inputs.size() < 2 || node.inputs[1] == kNoTensor) return nullptr;
    const auto& weight = owned_.graph.tensor(node.inputs[1]).weight;
    return weight ? &owned_.graph.weights[*weight] : nullptr;
  }

  /// Decodes every weight that a node or an output reads to float32.
  Result<void> decode_all() {
    std::set<std::size_t> read;
    const auto note = [&](TensorId id) {
      if (id != kNoTensor && owned_.graph.tensor(id).weight)
        read.insert(*owned_.graph.tensor(id).weight);
    };
    for (const Node& node : owned_.graph.nodes) {
      std::for_each(node.inputs.begin(), node.inputs.end(), note);
    }
    std::for_each(owned_.graph.outputs.begin(), owned_.graph.outputs.end(), note);
    for (const std::size_t index : read) {
      Weight& weight = owned_.graph.weights[index];
      if (weight.stored.code.encoding == Encoding::Float32) continue;
      const Tensor no_tensor;
      VP_ASSIGN_OR_RETURN(const std::vector<float> values,
                          load_constant({{}, &no_tensor, &weight}));
      const Bytes bytes = std::as_bytes(std::span(values));
      weight.stored.payload = owned_.keep(ByteBuffer(bytes.begin(), bytes.end()));
      weight.stored.code = WeightCode{};
      weight.stored.packing = Packing::Whole;
    }
    for (Tensor& tensor : owned_.graph.tensors) {
      if (tensor.weight) tensor.dtype = DType::Float32;
    }
    return {};
  }

  /// Returns a tensor that holds the kernel in another shape; made once per kernel and order.
  /// payload_of: makes the new payload from the old one.
  template <typename PayloadOf>
  TensorId derived(TensorId source, int order, Shape shape, const PayloadOf& payload_of) {
    const auto [found, added] = made_.try_emplace({source, order}, kNoTensor);
    if (!added) return found->second;
    Tensor tensor = owned_.graph.tensor(source);
    Weight weight = owned_.graph.weights[*tensor.weight];
    weight.stored.payload = payload_of(weight.stored.payload);
    weight.stored.shape = shape;
    tensor.shape = std::move(shape);
    tensor.weight = owned_.graph.weights.size();
    owned_.graph.weights.push_back(std::move(weight));
    found->second = owned_.graph.add_tensor(std::move(tensor));
    return found->second;
  }

  /// Returns the same bytes under another shape, without a copy.
  TensorId reshaped(TensorId source, int order, Shape shape) {
    return derived(source, order, std::move(shape), [](Bytes from) { return from; });
  }

  /// Returns a copy that `fill` writes from the old bytes, with the output channels outermost.
  template <typename Fill>
  TensorId rearranged(TensorId source, int order, Shape shape, const Fill& fill) {
    const TensorId id = derived(source, order, std::move(shape), [&](Bytes from) {
      ByteBuffer& to = owned_.payloads.emplace_back(from.size());
      wish_huge_pages(to);
      fill(from, MutableBytes(to));
      return Bytes(to);
    });
    owned_.graph.weights[*owned_.graph.tensor(id).weight].channel_axis = 0;
    return id;
  }

  void transpose_later(Bytes from, MutableBytes to, std::size_t rows, std::size_t columns) {
    pending_.push_back({from, to, rows, columns});
  }

  Result<void> arrange(Node& node, Conv2d& conv) {
    const Weight* weight = find_kernel(node);
    if (weight == nullptr) return {};  // build_tflite reports a kernel that is not a weight
    const Shape k = weight->stored.shape;
    const auto count = element_count(k);
    if (k.size() != 4 || !count ||
        static_cast<std::size_t>(*count) * sizeof(float) != weight->stored.payload.size()) {
      return fail(ErrorKind::Malformed, "{}: {} bytes for a kernel of shape {}", weight->path,
                  weight->stored.payload.size(), to_string(k));
    }
    const int order = static_cast<int>(conv.kernel_layout);
    switch (conv.kernel_layout) {
      case KernelLayout::Ohwi:
      case KernelLayout::Hwo:
        return {};
      case KernelLayout::Hwim:
        node.inputs[1] = reshaped(node.inputs[1], order, {1, k[0], k[1], k[2] * k[3]});
        conv.kernel_layout = KernelLayout::Hwo;
        conv.groups = 0;
        return {};
      case KernelLayout::Hwio:
        node.inputs[1] = rearranged(
            node.inputs[1], order, {k[3], k[0], k[1], k[2]}, [&](Bytes from, MutableBytes to) {
              transpose_later(from, to, size_at(k, 0) * size_at(k, 1) * size_at(k, 2),
                              size_at(k, 3));
            });
        break;
      case KernelLayout::Hwoi:
        node.inputs[1] = rearranged(node.inputs[1], order, {k[2], k[0], k[1], k[3]},
                                    [&](Bytes from, MutableBytes to) { move_rows(from, to, k); });
        break;
      case KernelLayout::Oihw:
        node.inputs[1] = rearranged(
            node.inputs[1], order, {k[0], k[2], k[3], k[1]}, [&](Bytes from, MutableBytes to) {
              const std::size_t plane = size_at(k, 1) * size_at(k, 2) * size_at(k, 3) * 4;
              for (std::size_t o = 0; o < size_at(k, 0); ++o) {
                transpose_later(from.subspan(o * plane, plane), to.subspan(o * plane, plane),
                                size_at(k, 1), size_at(k, 2) * size_at(k, 3));
              }
            });
        break;
      case KernelLayout::Iohw:
        return fail(ErrorKind::Unsupported, "{}: kernels of layout I,O,H,W are not converted",
                    node.path);
    }
    conv.kernel_layout = KernelLayout::Ohwi;
    return {};
  }

  /// Reorders [HW, O, I] to [O, HW, I], moving rows of I elements.
  static void move_rows(Bytes from, MutableBytes to, const Shape& k) {
    const std::size_t taps = size_at(k, 0) * size_at(k, 1);
    const std::size_t out = size_at(k, 2);
    const std::size_t row = size_at(k, 3) * sizeof(float);
    for (std::size_t t = 0; t < taps && row > 0; ++t) {
      for (std::size_t o = 0; o < out; ++o) {
        std::memcpy(to.data() + (o * taps + t) * row, from.data() + (t * out + o) * row, row);
      }
    }
  }

  void arrange(Node& node, FullyConnected& matrix) {
    const Weight* weight = find_kernel(node);
    if (weight == nullptr || !matrix.kernel_is_in_out || weight->stored.shape.size() != 2) return;
    const Shape k = weight->stored.shape;
    if (weight->stored.payload.size() != size_at(k, 0) * size_at(k, 1) * sizeof(float)) return;
    constexpr int kMatrixOrder = -1;
    node.inputs[1] =
        rearranged(node.inputs[1], kMatrixOrder, {k[1], k[0]}, [&](Bytes from, MutableBytes to) {
          transpose_later(from, to, size_at(k, 0), size_at(k, 1));
        });
    matrix.kernel_is_in_out = false;
  }

  /// Runs all transpositions in one parallel loop, each cut into blocks of columns, so that threads
  /// share large and small kernels evenly.
  void run_transpositions() {
    struct Piece {
      const Transposition* whole = nullptr;
      std::size_t begin = 0;
      std::size_t end = 0;
    };
    std::vector<Piece> pieces;
    for (const Transposition& whole : pending_) {
      for (std::size_t c = 0; c < whole.columns; c += kTransposeColumns) {
        pieces.push_back({&whole, c, std::min(whole.columns, c + kTransposeColumns)});
      }
    }
    parallel_for(pieces.size(), threads_, [&](std::size_t i) {
      const Piece& piece = pieces[i];
      transpose_columns(piece.whole->from, piece.whole->rows, piece.whole->columns, piece.begin,
                        piece.end, piece.whole->to);
    });
  }

  OwnedGraph& owned_;
  int threads_;
  std::map<std::pair<TensorId, int>, TensorId> made_ = {};
  std::vector<Transposition> pending_ = {};
};

}  // namespace

Result<void> prepare_kernels(OwnedGraph& owned, int threads) {
  return KernelPreparer(owned, threads).prepare();
}

}  // namespace visionpress
