#include "formats/coreml/ml_program_outline.h"

#include <utility>

#include "base/error.h"
#include "formats/coreml/coreml_schema.h"
#include "wire/protobuf_cursor.h"

namespace visionpress {
namespace {

using coreml::model_field::kFirstKind;
using coreml::model_field::kSpecificationVersion;

constexpr std::uint32_t kMlProgram = 502;
constexpr std::uint32_t kFunctions = 2;
constexpr std::uint32_t kMapKey = 1;
constexpr std::uint32_t kMapValue = 2;
constexpr std::uint32_t kOpset = 2;
constexpr std::uint32_t kBlocks = 3;      ///< of a function
constexpr std::uint32_t kOperations = 3;  ///< of a block
constexpr std::uint32_t kType = 1;
constexpr std::uint32_t kInnerBlocks = 4;  ///< of an operation
constexpr int kMostDepth = 32;             ///< of blocks inside operations

struct KindName {
  std::uint32_t field;
  const char* name;
};
/// Kinds that come in packages. source: Model.proto, the oneof Type.
constexpr KindName kKinds[] = {
    {200, "pipelineClassifier"},     {201, "pipelineRegressor"},       {202, "pipeline"},
    {303, "neuralNetworkRegressor"}, {403, "neuralNetworkClassifier"}, {500, "neuralNetwork"},
    {kMlProgram, "mlProgram"},       {610, "nonMaximumSuppression"}};

std::string name_kind(std::uint32_t field) {
  for (const KindName& kind : kKinds) {
    if (kind.field == field) return kind.name;
  }
  return fmt::format("model kind {}", field);
}

Result<void> count_block(const ProtobufMessage& block, int depth, ProgramFunction& function) {
  if (depth > kMostDepth) {
    return fail_at(ErrorKind::Malformed, block.offset(), "blocks are nested deeper than {}",
                   kMostDepth);
  }
  for (const ProtobufField& field : block.fields()) {
    if (field.number != kOperations) continue;
    VP_ASSIGN_OR_RETURN(const ProtobufMessage operation, block.open(field));
    VP_ASSIGN_OR_RETURN(const std::string type, operation.read_text(kType));
    ++function.operations;
    ++function.operators[type];
    VP_ASSIGN_OR_RETURN(const auto inner, operation.read_messages(kInnerBlocks));
    for (const ProtobufMessage& nested : inner) {
      VP_RETURN_IF_ERROR(count_block(nested, depth + 1, function));
    }
  }
  return {};
}

Result<ProgramFunction> outline_function(const ProtobufMessage& entry) {
  ProgramFunction function;
  VP_ASSIGN_OR_RETURN(function.name, entry.read_text(kMapKey));
  VP_ASSIGN_OR_RETURN(const auto body, entry.read_message(kMapValue));
  if (!body) return function;
  VP_ASSIGN_OR_RETURN(function.opset, body->read_text(kOpset));
  VP_ASSIGN_OR_RETURN(const auto blocks, body->read_messages(kBlocks));
  for (const ProtobufMessage& specialization : blocks) {
    VP_ASSIGN_OR_RETURN(const auto block, specialization.read_message(kMapValue));
    if (block) VP_RETURN_IF_ERROR(count_block(*block, 0, function));
  }
  return function;
}

}  // namespace

Result<MlProgramOutline> outline_ml_program(Bytes file) {
  VP_ASSIGN_OR_RETURN(const ProtobufMessage model, ProtobufMessage::read_file(file));
  MlProgramOutline outline;
  VP_ASSIGN_OR_RETURN(outline.version, model.read_uint(kSpecificationVersion));
  for (const ProtobufField& field : model.fields()) {
    if (field.number < kFirstKind) continue;
    outline.kind = name_kind(field.number);
    if (field.number != kMlProgram) continue;
    VP_ASSIGN_OR_RETURN(const ProtobufMessage program, model.open(field));
    VP_ASSIGN_OR_RETURN(const auto functions, program.read_messages(kFunctions));
    for (const ProtobufMessage& entry : functions) {
      VP_ASSIGN_OR_RETURN(ProgramFunction function, outline_function(entry));
      outline.functions.push_back(std::move(function));
    }
  }
  if (outline.kind.empty()) {
    return fail(ErrorKind::Malformed, "no Core ML model: none of its fields holds one");
  }
  return outline;
}

}  // namespace visionpress
