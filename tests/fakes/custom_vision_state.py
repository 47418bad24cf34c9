"""What the fake Custom Vision service knows and refuses: projects, tags, images, iterations, exports. No HTTP in here.

Limits and names of errors are those of the documented service (Azure REST specification, its quotas page). Where the public
documents do not say which error a refusal carries, the nearest name of the specification's list is used.
"""
import base64
import binascii
import hashlib
import os
import random
import time
import uuid
from dataclasses import dataclass, field

import custom_vision_export as export
import image_header

MAX_BATCH = 64
MAX_BATCH_TAGS = 20
MAX_METADATA = 10
MAX_REGIONS = 300
MAX_UPLOAD_BYTES = 6 << 20
MAX_PREDICTION_BYTES = 4 << 20
MAX_SIDE = 10240
MAX_ASPECT = 25
MAX_ITERATIONS = 20
MAX_TAKE = 256
LEAST_IMAGES = {"ObjectDetection": 15, "Classification": 5}
# tier -> projects, images of a project, tags of a project
TIERS = {"F0": (2, 5_000, 50), "S0": (100, 100_000, 500)}

_PLATFORMS = ["CoreML", "TensorFlow", "DockerFile", "ONNX", "OpenVino"]


def _domain(domain_id, name, kind, exportable, megabytes=None):
    domain = {"id": domain_id, "name": name, "type": kind, "exportable": exportable, "enabled": True}
    platforms = list(_PLATFORMS) if exportable else []
    if exportable and (kind, name) != ("ObjectDetection", "General (compact)"):
        platforms.append("VAIDK")
    information = {"estimatedModelSizeInMegabytes": megabytes, "description": name} if megabytes else None
    return domain, {"exportablePlatforms": platforms, "modelInformation": information}


_DOMAINS = [
    _domain("a27d5ca5-bb19-49d8-a70a-fec086c47f5b", "General (compact)", "ObjectDetection", True, 45),
    _domain("7ec2ac80-887b-48a6-8df9-8b1357765430", "General (compact) [S1]", "ObjectDetection", True, 14),
    _domain("da2e3a8a-40a5-4171-82f4-58522f70fbc1", "General", "ObjectDetection", False),
    _domain("9c616dff-2e7d-ea11-af59-1866da359ce6", "General [A1]", "ObjectDetection", False),
    _domain("1d8ffafe-ec40-4fb2-8f90-72b3b6cecea4", "Logo", "ObjectDetection", False),
    _domain("3780a898-81c3-4516-81ae-3a139614e1f3", "Products on shelves", "ObjectDetection", False),
    _domain("ee85a74c-405e-4adc-bb47-ffa8ca0c9f31", "General", "Classification", False),
    _domain("0732100f-1a38-4e49-a514-c9b44c697ab5", "General (compact)", "Classification", True, 6),
    _domain("a1db07ca-a19a-4830-bae8-e004a42dc863", "General (compact) [S1]", "Classification", True, 43),
    _domain("b5cfd229-2ac7-4b2b-8d0a-2b0661344894", "Landmarks (compact)", "Classification", True),
    _domain("6b4faeda-8396-481b-9f8b-177b9fa3097f", "Retail (compact)", "Classification", True),
]
DOMAINS = {domain["id"]: domain for domain, _ in _DOMAINS}
DOMAIN_EXTRAS = {domain["id"]: extras for domain, extras in _DOMAINS}


class Refusal(Exception):
    """The service's answer to a call it will not do: {code, message} with a status."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def bad(code, message):
    return Refusal(400, code, message)


def now():
    moment = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03d}Z"


@dataclass
class Image:
    id: str
    created: str
    content: bytes
    width: int
    height: int
    tags: dict = field(default_factory=dict)  # tag id -> created
    regions: dict = field(default_factory=dict)  # (tag id, left, top, width, height) -> (region id, created)
    metadata: dict = field(default_factory=dict)


@dataclass
class Iteration:
    id: str
    name: str
    created: str
    modified: str
    done_at: float  # of time.monotonic()
    failed: bool
    changes: int  # of the project when training began
    tags: list  # (id, name), in the order of the names
    parameters: dict
    publish_name: str = None
    publish_resource: str = None
    is_default: bool = False
    exports: list = field(default_factory=list)

    def status(self):
        if time.monotonic() < self.done_at:
            return "Training"
        return "Failed" if self.failed else "Completed"


@dataclass
class Project:
    id: str
    name: str
    description: str
    domain_id: str
    classification_type: str
    platforms: list
    created: str
    modified: str
    tags: dict = field(default_factory=dict)  # id -> {id, name, description, type}
    images: dict = field(default_factory=dict)  # id -> Image
    by_content: dict = field(default_factory=dict)  # SHA-1 of the bytes -> id of the image
    iterations: dict = field(default_factory=dict)  # id -> Iteration, oldest first
    changes: int = 0
    trainings: int = 0

    def kind(self):
        return DOMAINS[self.domain_id]["type"]


@dataclass
class Upload:
    """One image of a batch, before it is judged."""

    name: str
    content: bytes  # None where it could not be had
    tag_ids: list
    regions: list
    digest: str = ""


class State:
    """All projects. Not safe for threads: the caller holds a lock over each call."""

    def __init__(self, *, seed=0, tier="S0", train_seconds=0.2, training="completed", export_seconds=0.1, exporting="done",
                 relative_downloads=False, model_files=(), answers=None):
        self.random = random.Random(seed)
        self.max_projects, self.max_images, self.max_tags = TIERS[tier]
        self.train_seconds, self.training = train_seconds, training
        self.export_seconds, self.exporting = export_seconds, exporting
        self.relative_downloads, self.model_files = relative_downloads, list(model_files)
        self.answers = answers or {}
        self.projects = {}
        self.packages = {}  # file name -> (signature, bytes)
        self.answered = set()  # (project id, SHA-1) of images whose upload was answered as stored
        self.counts = {"duplicateUploads": 0, "sentAgainAfterAnswer": 0, "predictions": 0, "storedPredictions": 0, "trainings": 0}

    def new_id(self):
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    # Domains and projects.

    def domains(self, version):
        return [self._domain_json(domain_id, version) for domain_id in DOMAINS]

    def domain(self, domain_id, version):
        if domain_id not in DOMAINS:
            raise Refusal(404, "NotFoundDomain", f"Domain {domain_id} not found")
        return self._domain_json(domain_id, version)

    @staticmethod
    def _domain_json(domain_id, version):
        return {**DOMAINS[domain_id], **(DOMAIN_EXTRAS[domain_id] if version == "v3.4-preview" else {})}

    def project(self, project_id):
        if project_id not in self.projects:
            raise Refusal(404, "NotFoundProject", "Project not found")
        return self.projects[project_id]

    def create_project(self, query):
        name = _required(query, "name")
        domain_id = query.get("domainId", "ee85a74c-405e-4adc-bb47-ffa8ca0c9f31")
        classification = query.get("classificationType", "Multiclass")
        platforms = [platform for platform in query.get("targetExportPlatforms", "").split(",") if platform]
        if domain_id not in DOMAINS:
            raise bad("BadRequestProjectUnknownDomain", "Unknown domain")
        if classification not in ("Multiclass", "Multilabel"):
            raise bad("BadRequestProjectUnknownClassification", "Unknown classification type")
        if any(platform not in _PLATFORMS + ["VAIDK"] for platform in platforms):
            raise bad("BadRequestProjectUnsupportedExportPlatform", "Unsupported export platform")
        if any(project.name == name for project in self.projects.values()):
            raise bad("BadRequestProjectNameNotUnique", "Project name is not unique")
        if len(self.projects) >= self.max_projects:
            raise bad("BadRequestExceedProjectLimit", f"Number of projects reached the limit of {self.max_projects}")
        moment = now()
        project = Project(self.new_id(), name, query.get("description"), domain_id, classification, platforms, moment, moment)
        self.projects[project.id] = project
        return project

    def update_project(self, project, body):
        if body.get("name"):
            if any(other.name == body["name"] and other is not project for other in self.projects.values()):
                raise bad("BadRequestProjectNameNotUnique", "Project name is not unique")
            project.name = body["name"]
        if "description" in body:
            project.description = body["description"]
        project.modified = now()
        return project

    def delete_project(self, project):
        if any(iteration.publish_name for iteration in project.iterations.values()):
            raise bad("BadRequestIterationIsPublished", "Project has published iterations: unpublish them first")
        del self.projects[project.id]

    @staticmethod
    def project_json(project, version):
        settings = {"domainId": project.domain_id}
        if project.kind() == "Classification":
            settings["classificationType"] = project.classification_type
        if not version.startswith("v2"):
            settings.update({"targetExportPlatforms": project.platforms, "useNegativeSet": False, "detectionParameters": None,
                             "imageProcessingSettings": {"augmentationMethods": {}}})
        result = {"id": project.id, "name": project.name, "description": project.description, "settings": settings,
                  "created": project.created, "lastModified": project.modified, "thumbnailUri": None}
        if not version.startswith("v2"):
            result.update({"drModeEnabled": False, "status": "Succeeded"})
        return result

    # Tags.

    def create_tag(self, project, query):
        name, kind = _required(query, "name"), query.get("type", "Regular")
        if kind not in ("Regular", "Negative", "GeneralProduct"):
            raise bad("BadRequestTagType", "Unknown tag type")
        if kind == "Negative" and project.kind() == "ObjectDetection":
            raise bad("BadRequestDetectionTrainingNotAllowNegativeTag", "Object detection projects have no negative tag")
        if kind == "Negative" and any(tag["type"] == kind for tag in project.tags.values()):
            raise bad("BadRequestMultipleNegativeTag", "The project has a negative tag")
        if any(tag["name"] == name for tag in project.tags.values()):
            raise bad("BadRequestTagNameNotUnique", f"Tag name '{name}' is not unique")
        if len(project.tags) >= self.max_tags:
            raise bad("BadRequestExceedTagPerProjectLimit", f"Number of tags reached the limit of {self.max_tags}")
        tag = {"id": self.new_id(), "name": name, "description": query.get("description"), "type": kind}
        project.tags[tag["id"]] = tag
        project.changes += 1
        return tag

    def tag(self, project, tag_id):
        if tag_id not in project.tags:
            raise Refusal(404, "NotFoundTag", "Tag not found")
        return project.tags[tag_id]

    @staticmethod
    def tag_json(project, tag):
        return {**tag, "imageCount": sum(tag["id"] in image.tags for image in project.images.values())}

    def delete_tag(self, project, tag):
        del project.tags[tag["id"]]
        for image in project.images.values():
            image.tags.pop(tag["id"], None)
            image.regions = {key: made for key, made in image.regions.items() if key[0] != tag["id"]}
        project.changes += 1

    # Images.

    def upload(self, project, uploads, metadata, may_fail):
        """Judges and stores a batch. `may_fail()` says whether the store should refuse an image that is good.
        returns: results [(upload, status, Image or None)]."""
        if not uploads:
            raise bad("BadRequestImageBatch", "No image in the batch")
        if len(uploads) > MAX_BATCH:
            raise bad("BadRequestExceededBatchSize", f"Batch size of {len(uploads)} exceeds the limit of {MAX_BATCH}")
        tags = {tag_id for upload in uploads for tag_id in [*upload.tag_ids, *(region.get("tagId") for region in upload.regions)]}
        if len(tags) > MAX_BATCH_TAGS:
            raise bad("BadRequestImageTags", f"{len(tags)} tags in the batch exceed the limit of {MAX_BATCH_TAGS}")
        if len(metadata) > MAX_METADATA or any(len(key) > 128 for key in metadata):
            raise bad("BadRequestImageMetadataKey", "At most 10 pairs of metadata, keys of at most 128 characters")
        if any(len(value) > 256 for value in metadata.values()):
            raise bad("BadRequestImageMetadataValue", "Metadata values have at most 256 characters")
        if project.kind() == "Classification" and any(upload.regions for upload in uploads):
            raise bad("BadRequestImageRegions", "Regions are of object detection projects only")
        return [(upload, *self._store(project, upload, metadata, may_fail)) for upload in uploads]

    def _store(self, project, upload, metadata, may_fail):
        status = self._judge(project, upload)
        if status:
            return status, None
        upload.digest = hashlib.sha1(upload.content).hexdigest()
        if (project.id, upload.digest) in self.answered:
            self.counts["sentAgainAfterAnswer"] += 1
        if upload.digest in project.by_content:
            self.counts["duplicateUploads"] += 1
            image = project.images[project.by_content[upload.digest]]
            self._add_to(project, image, upload)
            return "OKDuplicate", image
        if len(project.images) >= self.max_images:
            return "ErrorLimitExceed", None
        if may_fail():
            return "ErrorStorage", None
        width, height = image_header.size(upload.content)
        image = Image(self.new_id(), now(), upload.content, width, height, metadata=dict(metadata))
        project.images[image.id] = image
        project.by_content[upload.digest] = image.id
        self._add_to(project, image, upload)
        project.changes += 1
        return "OK", image

    @staticmethod
    def _judge(project, upload):
        if upload.content is None:
            return "ErrorSource"
        if len(upload.content) > MAX_UPLOAD_BYTES:
            return "ErrorImageSize"
        size = image_header.size(upload.content)
        if size is None:
            return "ErrorImageFormat"
        if not dimensions_fit(size):
            return "ErrorImageDimensions"
        tag_ids = {*upload.tag_ids, *(region.get("tagId") for region in upload.regions)}
        if any(tag_id not in project.tags for tag_id in tag_ids):
            return "ErrorInvalidTag"
        if len(tag_ids) > 1 and any(project.tags[tag_id]["type"] == "Negative" for tag_id in tag_ids):
            return "ErrorNegativeAndRegularTagOnSameImage"
        if len(upload.regions) > MAX_REGIONS:
            return "ErrorRegionLimitExceed"
        if not all(region_is_valid(region) for region in upload.regions):
            return "ErrorInvalidRegion"
        return None

    def _add_to(self, project, image, upload):
        """What a duplicate's tags and regions come to is not documented; here those not yet there are added."""
        moment = now()
        for tag_id in upload.tag_ids:
            image.tags.setdefault(tag_id, moment)
        for region in upload.regions:
            self._add_region(project, image, region)

    def _add_region(self, project, image, region):
        """returns: whether it was added; one of the same tag and place is there only once."""
        key = (region["tagId"], *(float(region[name]) for name in ("left", "top", "width", "height")))
        if key in image.regions:
            return False
        image.regions[key] = (self.new_id(), now())
        image.tags.setdefault(region["tagId"], now())
        project.changes += 1
        return True

    def mark_answered(self, project_id, digests):
        self.answered.update((project_id, digest) for digest in digests)

    def create_regions(self, project, body):
        entries = body.get("regions") or []
        if len(entries) > MAX_BATCH:
            raise bad("BadRequestExceededBatchSize", f"Batch size of {len(entries)} exceeds the limit of {MAX_BATCH}")
        if project.kind() == "Classification":
            raise bad("BadRequestImageRegions", "Regions are of object detection projects only")
        for entry in entries:
            if entry.get("imageId") not in project.images or entry.get("tagId") not in project.tags:
                raise bad("BadRequestInvalidIds", "Unknown image or tag")
            if not region_is_valid(entry):
                raise bad("BadRequestImageRegions", "A region reaches out of its image or is empty")
        result = {"created": [], "duplicated": [], "exceeded": []}
        for entry in entries:
            image = project.images[entry["imageId"]]
            if len(image.regions) >= MAX_REGIONS:
                result["exceeded"].append(entry)
            elif self._add_region(project, image, entry):
                made = self._regions_json(project, image)[-1]
                result["created"].append({"imageId": image.id, **made})
            else:
                result["duplicated"].append(entry)
        return result

    def create_image_tags(self, project, body):
        entries = body.get("tags") or []
        if len(entries) > 128:
            raise bad("BadRequestExceededBatchSize", f"Batch size of {len(entries)} exceeds the limit of 128")
        if any(entry.get("imageId") not in project.images or entry.get("tagId") not in project.tags for entry in entries):
            raise bad("BadRequestInvalidIds", "Unknown image or tag")
        result = {"created": [], "duplicated": [], "exceeded": []}
        for entry in entries:
            tags = project.images[entry["imageId"]].tags
            result["duplicated" if entry["tagId"] in tags else "created"].append(entry)
            tags.setdefault(entry["tagId"], now())
        project.changes += len(result["created"])
        return result

    def delete_images(self, project, query):
        ids = list(project.images) if query.get("allImages") == "true" else _ids(query, "imageIds")
        if query.get("allImages") != "true" and not 0 < len(ids) <= 256:
            raise bad("BadRequestExceededBatchSize", "1 to 256 image ids are asked for")
        if any(image_id not in project.images for image_id in ids):
            raise bad("BadRequestInvalidIds", "Unknown image")
        for image_id in ids:
            image = project.images.pop(image_id)
            digest = hashlib.sha1(image.content).hexdigest()
            del project.by_content[digest]
            self.answered.discard((project.id, digest))
        project.changes += len(ids)

    def delete_regions(self, project, query):
        ids = set(_ids(query, "regionIds"))
        if not 0 < len(ids) <= MAX_BATCH:
            raise bad("BadRequestExceededBatchSize", f"1 to {MAX_BATCH} region ids are asked for")
        known = {region_id for image in project.images.values() for region_id, _ in image.regions.values()}
        if not ids <= known:
            raise bad("BadRequestInvalidIds", "Unknown region")
        for image in project.images.values():
            image.regions = {key: made for key, made in image.regions.items() if made[0] not in ids}
        project.changes += 1

    @staticmethod
    def select_images(project, query, tagged):
        """`tagged`: True or False, or None for both. returns: images in the order asked for, not yet cut to a page."""
        wanted = set(_ids(query, "tagIds"))
        images = [image for image in project.images.values()
                  if (tagged is None or bool(image.tags) == tagged) and (not wanted or wanted & set(image.tags))]
        return images if query.get("orderBy") == "Oldest" else images[::-1]

    @staticmethod
    def page(items, query):
        try:
            take, skip = int(query.get("take", 50)), int(query.get("skip", 0))
        except ValueError as error:
            raise bad("BadRequestInvalid", "take and skip are whole numbers") from error
        if not 0 <= take <= MAX_TAKE or skip < 0:
            raise bad("BadRequestInvalid", f"take is 0 to {MAX_TAKE}, skip not negative")
        return items[skip : skip + take]

    def image_json(self, project, image, version, base):
        uri = f"{base}/image-storage/{project.id}/{image.id}"
        result = {"id": image.id, "created": image.created, "width": image.width, "height": image.height,
                  "resizedImageUri": uri, "thumbnailUri": uri, "originalImageUri": uri,
                  "tags": [{"tagId": tag_id, "tagName": project.tags[tag_id]["name"], "created": created}
                           for tag_id, created in image.tags.items()],
                  "regions": self._regions_json(project, image)}
        if not version.startswith("v2"):
            result["metadata"] = image.metadata
        return result

    @staticmethod
    def _regions_json(project, image):
        return [{"regionId": region_id, "tagName": project.tags[tag_id]["name"], "created": created, "tagId": tag_id,
                 "left": left, "top": top, "width": width, "height": height}
                for (tag_id, left, top, width, height), (region_id, created) in image.regions.items()]

    # Training.

    def train(self, project, query, body):
        running = [iteration for iteration in project.iterations.values() if iteration.status() == "Training"]
        if running:
            raise bad("BadRequestTrainingAlreadyInProgress", "Training is already in progress")
        done = [iteration for iteration in project.iterations.values() if iteration.status() == "Completed"]
        if done and done[-1].changes == project.changes and query.get("forceTrain", "false").lower() != "true":
            raise bad("BadRequestTrainingNotNeeded", "Nothing changed since last training")
        if len(project.iterations) >= MAX_ITERATIONS:
            raise bad("BadRequestExceedIterationPerProjectLimit", f"Number of iterations reached the limit of {MAX_ITERATIONS}")
        tags = self._tags_to_train(project, body.get("selectedTags") or [])
        project.trainings += 1
        self.counts["trainings"] += 1
        moment = now()
        parameters = {"trainingType": query.get("trainingType", "Regular"),
                      "reservedBudgetInHours": int(query.get("reservedBudgetInHours", 0)), "customBaseModelInfo": body.get("customBaseModelInfo")}
        done_at = time.monotonic() + self.train_seconds
        iteration = Iteration(self.new_id(), f"Iteration {project.trainings}", moment, moment, done_at, self.training == "failed",
                              project.changes, tags, parameters)
        project.iterations[iteration.id] = iteration
        return iteration

    @staticmethod
    def _tags_to_train(project, selected):
        if any(tag_id not in project.tags for tag_id in selected):
            raise bad("BadRequestInvalidIds", "Unknown tag")
        kind = project.kind()
        tags = [tag for tag in project.tags.values() if not selected or tag["id"] in selected]
        images = project.images.values()
        counts = [sum(any(key[0] == tag["id"] for key in image.regions) if kind == "ObjectDetection" else tag["id"] in image.tags
                      for image in images) for tag in tags]
        if len(tags) < (1 if kind == "ObjectDetection" else 2) or min(counts) < LEAST_IMAGES[kind]:
            code = {"ObjectDetection": "Detection", "Multiclass": "MultiClassClassification", "Multilabel": "MultiLabelClassification"}[
                kind if kind == "ObjectDetection" else project.classification_type]
            raise bad(f"BadRequest{code}TrainingValidationFailed", "Not enough images for training")
        return sorted(((tag["id"], tag["name"]) for tag in tags), key=lambda tag: tag[1])

    def iteration(self, project, iteration_id):
        if iteration_id not in project.iterations:
            raise Refusal(404, "NotFoundIteration", "Iteration not found")
        return project.iterations[iteration_id]

    def trained(self, project, iteration_id):
        iteration = self.iteration(project, iteration_id)
        if iteration.status() != "Completed":
            raise bad("BadRequestIterationIsNotTrained", "Iteration is not trained")
        return iteration

    def update_iteration(self, project, iteration, body, version):
        name = body.get("name")
        if name:
            if any(other.name == name and other is not iteration for other in project.iterations.values()):
                raise bad("BadRequestIterationNameNotUnique", "Iteration name is not unique")
            iteration.name = name
        if version.startswith("v2") and body.get("isDefault"):
            self.trained(project, iteration.id)
            for other in project.iterations.values():
                other.is_default = other is iteration
        iteration.modified = now()
        return iteration

    def delete_iteration(self, project, iteration):
        if iteration.publish_name:
            raise bad("BadRequestIterationIsPublished", "Iteration is published: unpublish it first")
        del project.iterations[iteration.id]

    def iteration_json(self, project, iteration, version):
        status = iteration.status()
        exportable = DOMAINS[project.domain_id]["exportable"] and status == "Completed"
        result = {"id": iteration.id, "name": iteration.name, "status": status, "created": iteration.created,
                  "lastModified": iteration.modified, "trainedAt": iteration.created if status == "Completed" else None,
                  "projectId": project.id, "exportable": exportable, "domainId": project.domain_id,
                  "classificationType": project.classification_type if project.kind() == "Classification" else None}
        if version.startswith("v2"):
            return {**result, "isDefault": iteration.is_default}
        result.update({"exportableTo": DOMAIN_EXTRAS[project.domain_id]["exportablePlatforms"] if exportable else [],
                       "trainingTimeInMinutes": 1 if status == "Completed" else 0, "publishName": iteration.publish_name,
                       "originalPublishResourceId": iteration.publish_resource, **iteration.parameters})
        if version == "v3.4-preview":
            result["trainingErrorDetails"] = "Training was told to fail" if status == "Failed" else None
        return result

    def publish(self, project, iteration_id, query):
        iteration = self.trained(project, iteration_id)
        name, resource = _required(query, "publishName"), _required(query, "predictionId")
        if not resource.startswith("/subscriptions/") or "/accounts/" not in resource:
            raise bad("BadRequestInvalidPublishTarget", "Invalid prediction resource id")
        holder = next((other for other in project.iterations.values() if other.publish_name == name), None)
        overwrite = query.get("overwrite", "false").lower() == "true"
        if iteration.publish_name and not overwrite:
            raise bad("BadRequestIterationIsPublished", "Iteration is already published")
        if holder and holder is not iteration and not overwrite:
            raise bad("BadRequestInvalidPublishName", "Publish name is taken by another iteration")
        if holder:
            holder.publish_name = holder.publish_resource = None
        iteration.publish_name, iteration.publish_resource = name, resource
        return True

    def unpublish(self, iteration):
        if not iteration.publish_name:
            raise bad("BadRequestIterationNotPublished", "Iteration is not published")
        iteration.publish_name = iteration.publish_resource = None

    def performance(self, project, iteration_id, query):
        """Numbers made out of the tags' names: no training took place."""
        iteration = self.trained(project, iteration_id)
        threshold = float(query.get("threshold", 0.5))

        def entry(tag_id, name):
            share = int(hashlib.sha1(name.encode()).hexdigest()[:4], 16) / 0xFFFF
            return {"id": tag_id, "name": name, "precision": round(1 - (1 - threshold) * share / 2, 6), "precisionStdDeviation": 0.0,
                    "recall": round(1 - threshold * share, 6), "recallStdDeviation": 0.0, "averagePrecision": round(1 - share / 4, 6)}

        entries = [entry(*tag) for tag in iteration.tags]
        mean = {name: sum(item[name] for item in entries) / len(entries) for name in ("precision", "recall", "averagePrecision")}
        return {"perTagPerformance": entries, **mean, "precisionStdDeviation": 0.0, "recallStdDeviation": 0.0}

    # Exports.

    def export(self, project, iteration_id, query):
        iteration = self.trained(project, iteration_id)
        platform, flavor = _required(query, "platform"), query.get("flavor") or None
        if not DOMAINS[project.domain_id]["exportable"] or platform not in DOMAIN_EXTRAS[project.domain_id]["exportablePlatforms"]:
            raise bad("BadRequestExportValidationFailed", f"Iteration is not exportable to {platform}")
        if (platform, flavor) not in export.MODEL_PLACES:
            raise bad("BadRequestExportValidationFailed", f"Unknown flavor {flavor} of {platform}")
        if any((made["platform"], made["flavor"]) == (platform, flavor) for made in iteration.exports):
            raise bad("BadRequestExportAlreadyInProgress", f"Iteration {iteration.id} to {platform} is already queued for export")
        made = {"platform": platform, "flavor": flavor, "done_at": time.monotonic() + self.export_seconds}
        iteration.exports.append(made)
        return made

    def export_json(self, project, iteration, made, base):
        result = {"platform": made["platform"], "status": "Exporting", "downloadUri": None, "flavor": made["flavor"],
                  "newerVersionAvailable": False}
        if time.monotonic() < made["done_at"]:
            return result
        if self.exporting == "failed":
            return {**result, "status": "Failed"}
        name = export.file_name(iteration.id, made["platform"], made["flavor"])
        if name not in self.packages:
            content = export.package(iteration_id=iteration.id, platform=made["platform"], flavor=made["flavor"],
                                     domain_type=project.kind(), labels=[tag[1] for tag in iteration.tags], model_files=self.model_files)
            self.packages[name] = (f"{self.random.getrandbits(128):032x}", content)
        signature = self.packages[name][0]
        uri = name if self.relative_downloads else f"{base}/export-storage/{name}?sv=2023-01-03&sr=b&sig={signature}&sp=r"
        return {**result, "status": "Done", "downloadUri": uri}

    # Predictions.

    def published(self, project, name, kind):
        if project.kind() != kind:
            raise bad("BadRequest", "Invalid project type for operation.")
        for iteration in project.iterations.values():
            if iteration.publish_name == name:
                return iteration
        raise Refusal(404, "NotFoundIteration", "Invalid iteration")

    def default_iteration(self, project, iteration_id):
        """The iteration of a call that may name one: the named, else the default of v2.x."""
        if iteration_id:
            return self.trained(project, iteration_id)
        for iteration in project.iterations.values():
            if iteration.is_default:
                return iteration
        raise Refusal(404, "NotFoundProjectDefaultIteration", "The project has no default iteration")

    def predict(self, project, iteration, content, stored):
        if content is None:
            raise bad("BadRequestImageUrl", "The image of the url could not be had")
        if len(content) > MAX_PREDICTION_BYTES:
            raise bad("BadRequestImageSizeBytes", f"Image of {len(content)} bytes exceeds the limit of {MAX_PREDICTION_BYTES}")
        size = image_header.size(content)
        if size is None:
            raise bad("BadRequestImageFormat", "Not an image of format jpg, png, bmp or gif")
        if not dimensions_fit(size):
            raise bad("BadRequestImageDimensions", "The image's dimensions are out of limits")
        self.counts["predictions"] += 1
        self.counts["storedPredictions"] += bool(stored)
        digest = hashlib.sha1(content).hexdigest()
        names = [name for _, name in iteration.tags]
        found = self.answers[digest] if digest in self.answers else stub_predictions(digest, names, project.kind())
        ids = {name: tag_id for tag_id, name in iteration.tags}
        predictions = [{"probability": float(one["probability"]), "tagId": ids.get(one["tagName"]), "tagName": one["tagName"],
                        "boundingBox": one.get("boundingBox"), "tagType": "Regular"} for one in found]
        predictions.sort(key=lambda one: -one["probability"])
        return {"id": self.new_id(), "project": project.id, "iteration": iteration.id, "created": now(), "predictions": predictions}

    # For tests.

    def summary(self):
        projects = self.projects.values()
        images = [image for project in projects for image in project.images.values()]
        iterations = [iteration for project in projects for iteration in project.iterations.values()]
        return {"projects": len(projects), "tags": sum(len(project.tags) for project in projects), "images": len(images),
                "regions": sum(len(image.regions) for image in images), "iterations": len(iterations),
                "published": sum(bool(iteration.publish_name) for iteration in iterations),
                "exports": sum(len(iteration.exports) for iteration in iterations), **self.counts}


def dimensions_fit(size):
    width, height = size
    return 0 < min(width, height) and max(width, height) <= MAX_SIDE and max(width, height) <= MAX_ASPECT * min(width, height)


def region_is_valid(region):
    try:
        left, top, width, height = (float(region[name]) for name in ("left", "top", "width", "height"))
    except (KeyError, TypeError, ValueError):
        return False
    slack = 1e-6  # of sums of rounded numbers
    return left >= 0 and top >= 0 and width > 0 and height > 0 and left + width <= 1 + slack and top + height <= 1 + slack


def stub_predictions(digest, names, kind):
    """A made-up answer, the same for the same image: one prediction a tag, out of the image's SHA-1."""
    shares = [int(digest[at : at + 2], 16) / 255 for at in range(0, 40, 2)]
    found = []
    for index, name in enumerate(names):
        a, b, c, d, probability = (shares[(5 * index + step) % 20] for step in range(5))
        left, top = round(a / 2, 6), round(b / 2, 6)
        box = {"left": left, "top": top, "width": round(0.1 + 0.4 * c, 6), "height": round(0.1 + 0.4 * d, 6)}
        found.append({"probability": round(0.01 + 0.98 * probability, 6), "tagName": name,
                      "boundingBox": box if kind == "ObjectDetection" else None})
    return found


def read_answers(document, folder):
    """{image: [{probability, tagName, boundingBox}]}, an image being the SHA-1 of its bytes or a path relative to `folder`.
    returns: the same by SHA-1."""
    answers = {}
    for image, predictions in document.items():
        path = os.path.join(folder, image)
        if os.path.exists(path):
            with open(path, "rb") as file:
                image = hashlib.sha1(file.read()).hexdigest()
        answers[image] = predictions
    return answers


def file_uploads(body):
    common = body.get("tagIds") or []
    uploads = []
    for entry in body.get("images") or []:
        try:
            content = base64.b64decode(entry.get("contents") or "", validate=True)
        except binascii.Error as error:
            raise bad("BadRequestImageStream", "contents is not base64") from error
        uploads.append(Upload(entry.get("name"), content, [*(entry.get("tagIds") or []), *common], entry.get("regions") or []))
    return uploads


def url_uploads(body, fetched):
    """`fetched`: {url: bytes or None}."""
    common = body.get("tagIds") or []
    return [Upload(entry.get("url"), fetched.get(entry.get("url")), [*(entry.get("tagIds") or []), *common], entry.get("regions") or [])
            for entry in body.get("images") or []]


def _required(query, name):
    if not query.get(name):
        raise bad("BadRequestRequiredParamIsNull", f"Parameter {name} is required")
    return query[name]


def _ids(query, name):
    return [value for value in query.get(name, "").split(",") if value]
