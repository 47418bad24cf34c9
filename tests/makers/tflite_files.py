"""Small TFLite files for the judges, written with LiteRT's own schema."""
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

Op, Type, Options = schema.BuiltinOperator, schema.TensorType, schema.BuiltinOptions
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
TYPES = {np.dtype(np.float32): Type.FLOAT32, np.dtype(np.float16): Type.FLOAT16, np.dtype(np.int8): Type.INT8, np.dtype(np.uint8): Type.UINT8,
         np.dtype(np.int32): Type.INT32, np.dtype(np.int64): Type.INT64, np.dtype(np.bool_): Type.BOOL}


class TfliteFile:
    """One subgraph. Tensors are added first, then the operators that read them; ids are their places in the file."""

    def __init__(self):
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs, self.graph.outputs = [], [], [], []
        self.model = schema.ModelT()
        self.model.version, self.model.subgraphs, self.model.operatorCodes = 3, [self.graph], []
        self.model.buffers = [schema.BufferT()]

    def tensor(self, shape, dtype=np.float32, name=None, signature=None):
        """A value that the network computes or is given. shape: None leaves the tensor without one. returns: its id."""
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = shape, TYPES[np.dtype(dtype)], 0
        tensor.shapeSignature = signature
        tensor.name = name or f"value_{len(self.graph.tensors)}"
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, values, name=None, scales=None, axis=0, tensor_type=None, shape=None):
        """scales: makes it quantized, with zero points 0. tensor_type, shape: of packed values. returns: its id."""
        values = np.ascontiguousarray(values)
        index = self.tensor(list(values.shape) if shape is None else shape, np.float32, name or f"constant_{len(self.graph.tensors)}")
        tensor, buffer = self.graph.tensors[index], schema.BufferT()
        tensor.type = TYPES[values.dtype] if tensor_type is None else tensor_type
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.buffer = len(self.model.buffers) - 1
        if scales is not None:
            quantization = schema.QuantizationParametersT()
            quantization.scale = np.asarray(scales, np.float32)
            quantization.zeroPoint = np.zeros(len(quantization.scale), np.int64)
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        return index

    def operator(self, code, inputs, outputs, options=None, version=1, custom_code=None):
        """options: a table of the schema's object API, as schema.Conv2DOptionsT()."""
        entry = schema.OperatorCodeT()
        entry.builtinCode, entry.deprecatedBuiltinCode, entry.version, entry.customCode = code, min(code, 127), version, custom_code
        self.model.operatorCodes.append(entry)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = len(self.model.operatorCodes) - 1, inputs, outputs
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(Options, type(options).__name__[:-1])
        self.graph.operators.append(operator)

    def write(self, path, inputs, outputs):
        self.graph.inputs, self.graph.outputs = inputs, outputs
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        with open(path, "wb") as file:
            file.write(builder.Output())
        return path


def options_of(name, **fields):
    """An options table: options_of("Conv2D", padding=SAME, strideW=2)."""
    table = getattr(schema, f"{name}OptionsT")()
    for field, value in fields.items():
        assert hasattr(table, field), f"{name}Options has no {field}"
        setattr(table, field, value)
    return table


def output_size(size, kernel, stride, dilation, padding):
    extent = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == SAME else (size - extent) // stride + 1
