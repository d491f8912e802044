"""The kinds of objects that carry pods and images, and where in them: a list to read, and to add to.

A path of a custom resource that is wrong, or that its operator moves, is found out: then something that looks like an
image stands where none is listed (`image-unlisted-kind`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of Kubernetes object; any of its versions, as API groups keep their shape where images are concerned."""

    group: str
    name: str


# `*` stands for each value of a mapping, `[]` for each entry of a list.
_TEMPLATE = "spec.template.spec"
_JOB_SET = "spec.replicatedJobs[].template.spec.template.spec"
_RAY = ("headGroupSpec.template.spec", "workerGroupSpecs[].template.spec")
PODS: Mapping[Kind, tuple[str, ...]] = {
    Kind("", "Pod"): ("spec",),
    Kind("", "PodTemplate"): ("template.spec",),
    Kind("", "ReplicationController"): (_TEMPLATE,),
    **{Kind(group, kind): (_TEMPLATE,) for group in ("apps", "extensions") for kind in ("Deployment", "ReplicaSet")},
    **{Kind(group, "DaemonSet"): (_TEMPLATE,) for group in ("apps", "extensions")},
    Kind("apps", "StatefulSet"): (_TEMPLATE,),
    # A ControllerRevision holds the template that a rollback brings back.
    Kind("apps", "ControllerRevision"): ("data.spec.template.spec",),
    Kind("batch", "Job"): (_TEMPLATE,),
    Kind("batch", "CronJob"): ("spec.jobTemplate.spec.template.spec",),
    Kind("batch", "JobTemplate"): ("template.spec.template.spec",),
    Kind("ray.io", "RayCluster"): tuple(f"spec.{path}" for path in _RAY),
    Kind("ray.io", "RayJob"): (*(f"spec.rayClusterSpec.{path}" for path in _RAY), "spec.submitterPodTemplate.spec"),
    Kind("ray.io", "RayService"): tuple(f"spec.rayClusterConfig.{path}" for path in _RAY),
    **{
        Kind("kubeflow.org", kind): (f"spec.{field}.*.template.spec",)
        for kind, field in {
            "JAXJob": "jaxReplicaSpecs",
            "MPIJob": "mpiReplicaSpecs",
            "MXJob": "mxReplicaSpecs",
            "PaddleJob": "paddleReplicaSpecs",
            "PyTorchJob": "pytorchReplicaSpecs",
            "TFJob": "tfReplicaSpecs",
            "XGBoostJob": "xgbReplicaSpecs",
        }.items()
    },
    Kind("kubeflow.org", "Notebook"): (_TEMPLATE,),
    Kind("trainer.kubeflow.org", "TrainingRuntime"): (
        "spec.template.spec.replicatedJobs[].template.spec.template.spec",
    ),
    Kind("trainer.kubeflow.org", "ClusterTrainingRuntime"): (
        "spec.template.spec.replicatedJobs[].template.spec.template.spec",
    ),
    Kind("jobset.x-k8s.io", "JobSet"): ("spec.replicatedJobs[].template.spec.template.spec",),
    Kind("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): (
        "spec.leaderWorkerTemplate.leaderTemplate.spec",
        "spec.leaderWorkerTemplate.workerTemplate.spec",
    ),
    Kind("kueue.x-k8s.io", "Workload"): ("spec.podSets[].template.spec",),
    Kind("batch.volcano.sh", "Job"): ("spec.tasks[].template.spec",),
    Kind("serving.knative.dev", "Service"): (_TEMPLATE,),
    Kind("argoproj.io", "Rollout"): (_TEMPLATE,),
}
# A driver is a pod by its fields, and has a template that the operator merges with them.
_SPARK_PODS = ("driver", "executor", "driver.template.spec", "executor.template.spec")
_SPARK_IMAGES = ("image", "driver.image", "executor.image")
# What overrides parts of a pod that is described elsewhere.
PARTIAL: Mapping[Kind, tuple[str, ...]] = {
    Kind("trainer.kubeflow.org", "TrainJob"): ("spec.podSpecOverrides[]", "spec.podTemplateOverrides[].spec"),
    Kind("sparkoperator.k8s.io", "SparkApplication"): tuple(f"spec.{path}" for path in _SPARK_PODS),
    Kind("sparkoperator.k8s.io", "ScheduledSparkApplication"): tuple(f"spec.template.{path}" for path in _SPARK_PODS),
    # What an InferenceService leaves out, its ServingRuntime fills in.
    Kind("serving.kserve.io", "InferenceService"): ("spec.predictor", "spec.transformer", "spec.explainer"),
    Kind("serving.kserve.io", "ServingRuntime"): ("spec",),
    Kind("serving.kserve.io", "ClusterServingRuntime"): ("spec",),
}
# Images that stand outside of any pod's specification.
IMAGES: Mapping[Kind, tuple[str, ...]] = {
    Kind("ray.io", "RayCluster"): ("spec.autoscalerOptions.image",),
    Kind("ray.io", "RayJob"): ("spec.rayClusterSpec.autoscalerOptions.image",),
    Kind("ray.io", "RayService"): ("spec.rayClusterConfig.autoscalerOptions.image",),
    Kind("trainer.kubeflow.org", "TrainJob"): ("spec.trainer.image",),
    Kind("serving.kserve.io", "InferenceService"): ("spec.predictor.model.image",),
    Kind("sparkoperator.k8s.io", "SparkApplication"): tuple(f"spec.{path}" for path in _SPARK_IMAGES),
    Kind("sparkoperator.k8s.io", "ScheduledSparkApplication"): tuple(f"spec.template.{path}" for path in _SPARK_IMAGES),
}


def metadata_beside(path: str) -> tuple[str, ...]:
    """Return where metadata stands for a pod: the object's own, and that of each template on the way to the pod.

    Args:
        path: Where the pod's specification stands, as in these lists.
    """
    steps = path.split(".")
    beside = (".".join((*steps[:index], "metadata")) for index, step in enumerate(steps) if step == "spec")
    return tuple(dict.fromkeys(("metadata", *beside)))
