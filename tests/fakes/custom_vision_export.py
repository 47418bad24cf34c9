"""Writes the zip of an export as Custom Vision packs it: manifest, labels, metadata, the model file."""
import hashlib
import io
import json
import os
import time
import zipfile

# (platform, flavor) -> the model file's place in the zip. A flavor of None is the platform's default.
MODEL_PLACES = {
    ("CoreML", None): "model.mlmodel",
    ("CoreML", "CoreMLFloat16"): "model.mlmodel",
    ("TensorFlow", None): "model.pb",
    ("TensorFlow", "TensorFlowNormal"): "model.pb",
    ("TensorFlow", "TensorFlowLite"): "model.tflite",
    ("TensorFlow", "TensorFlowLiteFloat16"): "model.tflite",
    ("TensorFlow", "TensorFlowSavedModel"): "saved_model.pb",
    ("TensorFlow", "TensorFlowJs"): "model.json",
    ("ONNX", None): "model.onnx",
    ("ONNX", "ONNX10"): "model.onnx",
    ("ONNX", "ONNX12"): "model.onnx",
    ("ONNX", "OnnxFloat16"): "model.onnx",
    ("DockerFile", None): "app/model.pb",
    ("DockerFile", "Linux"): "app/model.pb",
    ("DockerFile", "Windows"): "app/model.pb",
    ("DockerFile", "ARM"): "app/model.pb",
    ("OpenVino", None): "model.xml",
    ("OpenVino", "NoPostProcess"): "model.xml",
    ("VAIDK", None): "model.dlc",
}

# Keys and values as observed in real packages of the compact detector.
DETECTOR_METADATA = {
    "CustomVision.Metadata.AdditionalModelInfo": "",
    "CustomVision.Metadata.Version": "1.2",
    "CustomVision.Postprocess.Method": "Yolo",
    "CustomVision.Postprocess.Yolo.Biases": "[0.57273, 0.677385, 1.87446, 2.06253, 3.33843, 5.47434, 7.88282, 3.52778, 9.77052, 9.16828]",
    "CustomVision.Postprocess.Yolo.NmsThreshold": "0.45",
    "CustomVision.Preprocess.CropHeight": "0",
    "CustomVision.Preprocess.CropMethod": "NoCrop",
    "CustomVision.Preprocess.CropWidth": "0",
    "CustomVision.Preprocess.MaxDimension": "0",
    "CustomVision.Preprocess.MaxScale": "0.0",
    "CustomVision.Preprocess.MinDimension": "0",
    "CustomVision.Preprocess.MinScale": "0.0",
    "CustomVision.Preprocess.NormalizeMean": "[0.0, 0.0, 0.0]",
    "CustomVision.Preprocess.NormalizeStd": "[1.0, 1.0, 1.0]",
    "CustomVision.Preprocess.ResizeMethod": "ByPixelCountAlign32",
    "CustomVision.Preprocess.TargetHeight": "512",
    "CustomVision.Preprocess.TargetWidth": "512",
    "Image.BitmapPixelFormat": "Rgb8",
    "Image.ColorSpaceGamma": "SRGB",
    "Image.NominalPixelRange": "Normalized_0_1",
}


def file_name(iteration_id, platform, flavor):
    return ".".join([iteration_id.replace("-", ""), platform, *([flavor] if flavor else []), "zip"])


def model_bytes(place, model_files):
    """returns: the first of `model_files` with the same extension, else a few bytes that only name the place."""
    extension = os.path.splitext(place)[1]
    for path in model_files:
        if os.path.splitext(path)[1] == extension:
            with open(path, "rb") as file:
                return file.read()
    return f"stand-in for {place}\n".encode()


def package(*, iteration_id, platform, flavor, domain_type, labels, model_files):
    """returns: the zip's bytes."""
    place = MODEL_PLACES[(platform, flavor)]
    model = model_bytes(place, model_files)
    folder = "app/" if platform == "DockerFile" else ""
    with_metadata = platform in ("TensorFlow", "ONNX") and domain_type == "ObjectDetection"
    manifest = {
        "DomainType": domain_type,
        "Platform": platform,
        "Flavor": flavor,
        "ExporterVersion": "2.1",
        "ExportedDate": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()),
        "IterationId": iteration_id,
        "ModelFileName": os.path.basename(place),
        "LabelFileName": "labels.txt",
        "MetadataPropsFileName": "metadata_properties.json" if with_metadata else None,
        "ModelFileSHA1": hashlib.sha1(model).hexdigest(),
        "SchemaVersion": "1.0",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(place, model)
        archive.writestr(folder + "labels.txt", "\r\n".join(labels))
        archive.writestr(folder + "cvexport.manifest", json.dumps(manifest, indent=2))
        if with_metadata:
            archive.writestr("metadata_properties.json", json.dumps(DETECTOR_METADATA, indent=2))
    return out.getvalue()
