"""Check docker/ without a container engine: against schemas, against the code, and on real servers."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from pydantic import SecretStr

from flows.running.prefect_api import PrefectApi
from flows.running.settings import Settings
from stack.home_file import StackFile, read_stack_file
from stack.processes import clean_environment, free_ports, start_process, stop_process, wait_until
from stack.servers import prefect as prefect_server
from stack.servers import seaweed, workers
from storage.bucket import Bucket
from storage.errors import StorageRefused
from tests.paths import ROOT
from workers.options import WarmOptions

DOCKER = ROOT / "docker"
KUBERNETES = DOCKER / "kubernetes"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
GPU: dict[str, Any] = yaml.safe_load((DOCKER / "compose.gpu.yaml").read_text(encoding="utf-8"))["services"]
OURS = {"s3-secrets", "prefect", "deploy", "worker-cpu", "worker-gpu", "worker-train", "gateway"}
KUSTOMIZATION = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))
MANIFESTS: list[dict[str, Any]] = [
    document
    for name in KUSTOMIZATION["resources"]
    for document in yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8"))
]
WORKLOADS = {m["metadata"]["name"]: m for m in MANIFESTS if m["kind"] in ("Deployment", "StatefulSet", "Job")}
SECRETS = re.findall(r"^(\w+)=$", (DOCKER / "example.env").read_text(encoding="utf-8"), re.MULTILINE)
SECRETS.remove("TRIPTYCH_TORCH_INDEX")
ALLOWED = re.findall(r"^!(.+)$", (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8"), re.MULTILINE)


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    return workload["spec"]["template"]["spec"]


def containers(workload: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod(workload).get("initContainers", []), *pod(workload)["containers"]]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in MANIFESTS if manifest["kind"] == kind]


def image_environment() -> dict[str, str]:
    [block] = re.findall(r"^ENV (HOME=.*)$", DOCKERFILE, re.MULTILINE)
    return dict(pair.split("=", 1) for pair in block.split())


def stages() -> dict[str, tuple[str, str]]:
    """Return the base image and the instructions of each build stage."""
    found = re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    return {name: (base, body) for base, name, body in found}


def is_pinned(image: str) -> bool:
    return re.search(r":v?\d+\.\d+(\.\d+)?[\w.-]*$|@sha256:[0-9a-f]{64}$", image) is not None


# The images


def test_base_images_are_pinned_and_stages_exist() -> None:
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
    for base, _ in stages().values():
        image = re.sub(r"\$\{(\w+)\}", lambda name: defaults[name[1]], base)
        assert image in stages() or is_pinned(image), image


@pytest.mark.parametrize("target", ["gateway", "worker"])
def test_images_have_a_command_a_health_check_and_a_numeric_user_other_than_root(target: str) -> None:
    base, body = stages()[target]
    assert re.search(r"^CMD \[", body, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*CMD \[", body, re.MULTILINE)
    users = re.findall(r"^USER (\S+)$", stages()[base][1] + body, re.MULTILINE)
    assert users
    assert all(int(number) > 0 for number in users[-1].split(":"))


def test_the_lock_file_is_installed_before_the_code_is_copied() -> None:
    installed, platform = stages()["installed"][1], stages()["platform"][1]
    assert stages()["platform"][0] == "installed"
    assert re.findall(r"^COPY (.*)$", installed, re.MULTILINE) == ["requirements.lock /tmp/install/"]
    assert platform.index("COPY . .") < platform.index("uv pip install --no-deps --editable .")
    assert stages()["uv"][1].count("--require-hashes") == 1
    assert "COPY requirements-uv.lock" in stages()["uv"][1]


def test_the_images_contain_the_code_and_the_models_only() -> None:
    ignore = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    catalogue = yaml.safe_load((ROOT / "configs" / "models.yaml").read_text(encoding="utf-8"))
    models = {Path(m["source"]["folder"]).parts[0] for m in catalogue["models"].values() if "folder" in m["source"]}
    needed = set(project["tool"]["uv"]["build-backend"]["module-name"])
    needed |= models | {
        "configs",
        "pyproject.toml",
        project["project"]["readme"],
        "requirements.lock",
        "requirements-uv.lock",
    }
    assert next(line for line in ignore if line and not line.startswith("#")) == "*"
    assert set(ALLOWED) == needed | {"docker/deploy.py", "docker/s3_secrets.py"}
    assert {entry for entry in ALLOWED if not (ROOT / entry).exists()} <= models


def test_the_cpu_torch_index_drops_only_the_cuda_packages(tmp_path: Path) -> None:
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    commands = re.findall(r"(?:grep|awk) [^&]*? > \w+\.txt", stages()["installed"][1])
    assert len(commands) == 2
    subprocess.run(["sh", "-ec", "; ".join(commands)], cwd=tmp_path, check=True)
    texts = [(tmp_path / name).read_text() for name in ("requirements.lock", "torch.txt", "others.txt")]
    locked, torch, others = ({line.split("==")[0] for line in text.splitlines() if "==" in line} for text in texts)
    assert all(line.startswith((" ", "#")) or "==" in line for line in texts[2].splitlines())
    assert "--hash" not in texts[1]
    assert torch == {"torch", "torchvision", "torchaudio"}
    assert {name.split("-")[0] for name in locked - torch - others} == {"triton", "nvidia", "cuda"}
    assert not {name for name in others if name.startswith(("triton", "nvidia", "cuda"))}


def test_workers_get_the_environment_of_the_embedded_stacks_workers() -> None:
    told = prefect_server.client_environment(Path("/home"), Path("/root"), PrefectApi("http://api"))
    own = {name for name, value in told.items() if value.startswith(("/", "http:"))}
    image = image_environment()
    assert {name: image[name] for name in told.keys() - own} == {name: told[name] for name in told.keys() - own}
    assert own <= image.keys() | SERVICES["worker-cpu"]["environment"].keys()


# Compose


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_compose_files_are_valid(name: str) -> None:
    pytest.importorskip("check_jsonschema", reason="the compose schema comes with the package check-jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_itself_accepts_the_files_and_names_a_missing_secret(tmp_path: Path) -> None:
    compose = ["docker", "compose", "--file", DOCKER / "compose.yaml", "--file", DOCKER / "compose.gpu.yaml"]
    if not shutil.which("docker") or subprocess.run([*compose[:2], "version"], capture_output=True).returncode:
        pytest.skip("the compose plugin of docker is not installed")
    new_env(tmp_path / "env")
    for file, code in ((tmp_path / "env", 0), (DOCKER / "example.env", 1)):
        command = [*compose, "--env-file", file, "config", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert min(done.returncode, 1) == code, done.stderr
    assert re.search("TRIPTYCH_.* is missing", done.stderr)


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_pinned_and_checked_and_publish_ports_on_loopback_only(name: str) -> None:
    service = SERVICES[name]
    assert is_pinned(service["image"])
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service.get("ports", []))
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["restart"] in ("unless-stopped", "no")
    checked = service.get("healthcheck", {})
    assert "test" in checked or (service["restart"] == "no") == checked.get("disable", False)
    assert {"default"} >= service.get("networks", {}).keys()
    if name in OURS:
        assert service["image"] == f"triptych-{service['build']['target']}:{VERSION}"
        assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        assert service["build"]["target"] in stages()


def test_dependencies_and_mounts_of_services_exist() -> None:
    for service in SERVICES.values():
        for other, wait in service.get("depends_on", {}).items():
            ends = SERVICES[other]["restart"] == "no"
            assert wait["condition"] == ("service_completed_successfully" if ends else "service_healthy")
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source in COMPOSE["volumes"] or (source.startswith("./") and (DOCKER / source).is_file())


def test_every_variable_is_documented_and_no_secret_has_a_default() -> None:
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8") + (DOCKER / "compose.gpu.yaml").read_text(
        encoding="utf-8"
    )
    used = dict(re.findall(r"\$\{(\w+)(:.)?", text))
    documented = re.findall(r"^(\w+)=", (DOCKER / "example.env").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(used) == sorted(documented)
    assert {name for name, kind in used.items() if kind == ":?"} == set(SECRETS)
    assert re.findall(r"\$\{(\w+):\?(?!is missing)", text) == []


def new_env(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", DOCKER / "new-env.sh", path], capture_output=True, text=True, check=False)


def test_new_secrets_are_random_private_and_never_overwritten(tmp_path: Path) -> None:
    assert new_env(tmp_path / "one").returncode == new_env(tmp_path / "two").returncode == 0
    one, two = (dict(re.findall(r"^(\w+)=(.*)$", (tmp_path / f).read_text(), re.MULTILINE)) for f in ("one", "two"))
    values = [held[name] for held in (one, two) for name in SECRETS]
    assert len(set(values)) == 2 * len(SECRETS)
    assert min(map(len, values)) >= 32
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600
    before = (tmp_path / "one").read_text()
    assert new_env(tmp_path / "one").returncode == 2
    assert (tmp_path / "one").read_text() == before


def test_the_gpu_file_reserves_one_device_and_pins_its_package() -> None:
    assert list(GPU) == ["worker-gpu"]
    [device] = GPU["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["count"], device["capabilities"]) == (1, ["gpu"])
    assert is_pinned(GPU["worker-gpu"]["image"])
    assert re.fullmatch(r"[\w-]+==[\d.]+", GPU["worker-gpu"]["build"]["args"]["EXTRA_PACKAGES"])


# Kubernetes


def test_manifests_are_valid() -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="the schemas come with the package kubernetes-validate"
    )
    for manifest in MANIFESTS:
        validator.validate(manifest, "1.33", strict=True)


def test_the_kustomization_lists_every_manifest_and_builds_as_written() -> None:
    files = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed")
    built = subprocess.run(["kubectl", "kustomize", KUBERNETES], capture_output=True, text=True, check=True).stdout
    images = sorted(c["image"] for workload in WORKLOADS.values() for c in containers(workload))
    assert sorted(re.findall(r"^ +image: (\S+)$", built, re.MULTILINE)) == images


@pytest.mark.parametrize("name", WORKLOADS)
def test_containers_are_pinned_bounded_and_cannot_gain_privileges(name: str) -> None:
    spec = pod(WORKLOADS[name])
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    # A Service `prefect` would set PREFECT_PORT and more, which Prefect reads as settings.
    assert spec["enableServiceLinks"] is False
    for container in containers(WORKLOADS[name]):
        assert is_pinned(container["image"])
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        claims = {claim["metadata"]["name"] for claim in WORKLOADS[name]["spec"].get("volumeClaimTemplates", [])}
        assert mounted <= claims | {volume["name"] for volume in spec["volumes"]}
        if container in spec["containers"] and WORKLOADS[name]["kind"] != "Job":
            ports = {port["name"] for port in container["ports"]}
            probes = [container[f"{when}Probe"] for when in ("startup", "readiness", "liveness")]
            assert all("exec" in probe or probe["httpGet"]["port"] in ports for probe in probes)


def test_selectors_match_labels_and_service_ports_match_container_ports() -> None:
    doors = {
        name: {p["name"]: p["containerPort"] for c in containers(w) for p in c.get("ports", [])}
        for name, w in WORKLOADS.items()
    }
    for name, workload in WORKLOADS.items():
        labels = {"app.kubernetes.io/name": name}
        assert workload["spec"]["template"]["metadata"]["labels"] == labels
        assert workload["kind"] == "Job" or workload["spec"]["selector"]["matchLabels"] == labels
        assert workload["kind"] != "StatefulSet" or workload["spec"]["serviceName"] in {
            s["metadata"]["name"] for s in of_kind("Service")
        }
    for service in of_kind("Service"):
        target = doors[service["spec"]["selector"]["app.kubernetes.io/name"]]
        assert all(target[port["targetPort"]] == port["port"] for port in service["spec"]["ports"])
    policies = {p["metadata"]["name"]: p["spec"] for p in of_kind("NetworkPolicy")}
    assert "ingress" not in policies.pop("nobody")
    from_elsewhere = [source for rule in policies["gateway"]["ingress"] for source in rule["from"]]
    assert any("namespaceSelector" in source for source in from_elsewhere), "an ingress controller"
    assert policies.keys() == {service["metadata"]["name"] for service in of_kind("Service")}
    for name, policy in policies.items():
        assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": name}
        assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == list(doors[name].values())


def test_every_secret_configuration_and_claim_that_is_named_exists() -> None:
    secret = yaml.safe_load((KUBERNETES / "secret.example.yaml").read_text(encoding="utf-8"))
    assert list(secret["stringData"]) == sorted(SECRETS, key=list(secret["stringData"]).index)
    assert set(secret["stringData"].values()) == {""}
    text = json.dumps(list(WORKLOADS.values()))
    named = re.findall(r'"secretKeyRef": (\{.*?\})', text)
    assert {json.loads(reference)["name"] for reference in named} == {secret["metadata"]["name"]}
    assert {json.loads(reference)["key"] for reference in named} == set(SECRETS)
    maps = re.findall(r'"configMap(?:Ref)?": \{"name": "(.*?)"', text)
    assert set(maps) == {manifest["metadata"]["name"] for manifest in of_kind("ConfigMap")}
    claims = re.findall(r'"claimName": "(.*?)"', text)
    assert claims == [manifest["metadata"]["name"] for manifest in of_kind("PersistentVolumeClaim")]


def test_only_the_model_worker_requests_a_gpu() -> None:
    asking = {
        name for name, w in WORKLOADS.items() if "nvidia.com/gpu" in json.dumps(pod(w)["containers"][0]["resources"])
    }
    assert asking == {"worker-gpu"}
    assert pod(WORKLOADS["worker-gpu"])["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


# Both, and the code


def environments() -> dict[str, dict[str, Any]]:
    """Return the environment of every container of Compose and Kubernetes."""
    told = {f"compose {name}": service.get("environment", {}) for name, service in (*SERVICES.items(),)}
    told["compose gpu"] = GPU["worker-gpu"]["environment"]
    maps = {manifest["metadata"]["name"]: manifest["data"] for manifest in of_kind("ConfigMap")}
    for name, workload in WORKLOADS.items():
        for container in containers(workload):
            own = {entry["name"]: entry.get("value") for entry in container.get("env", [])}
            shared = [maps[source["configMapRef"]["name"]] for source in container.get("envFrom", [])]
            told[f"kubernetes {name} {container['name']}"] = own | {
                k: v for values in shared for k, v in values.items()
            }
    return told


def test_every_environment_variable_is_read_by_some_program() -> None:
    from prefect.settings.legacy import _get_settings_fields
    from prefect.settings.models.root import Settings as PrefectSettings

    ours = {f"TRIPTYCH_{field.upper()}" for field in Settings.model_fields}
    warm = {f"WARM_PROCESS_{field.upper()}" for field in WarmOptions.model_fields}
    prefects = set(_get_settings_fields(PrefectSettings)) | {"DO_NOT_TRACK"}
    servers = {"GOMEMLIMIT", "POSTGRES_PASSWORD", "POSTGRES_DB", *seaweed.TOKEN_VARIABLES, *seaweed.mutual_tls(Path())}
    servers |= {name for name in SECRETS if name.startswith("TRIPTYCH_S3_")}
    libraries = {"PGPASSWORD", "HF_HOME", "TOKENIZERS_PARALLELISM", "OMP_WAIT_POLICY", "LD_LIBRARY_PATH", "HOME"}
    for container, told in (environments() | {"image": image_environment()}).items():
        assert told.keys() - ours - warm - prefects - servers - libraries == set(), container


def test_required_settings_are_set_and_their_hosts_are_services() -> None:
    needed = {f"TRIPTYCH_{name.upper()}" for name, field in Settings.model_fields.items() if field.is_required()}
    services = {"compose": set(SERVICES), "kubernetes": {s["metadata"]["name"] for s in of_kind("Service")}}
    for container, told in environments().items():
        for value in told.values():
            for host in re.findall(r"https?://([a-z0-9-]+):|@([a-z0-9-]+):", str(value)):
                assert "".join(host) in services[container.split()[0]], value
        if container.split()[-1] in ("deploy", "worker", "gateway", "worker-cpu", "worker-gpu", "worker-train"):
            assert needed <= told.keys() | image_environment().keys(), container


def test_compose_and_kubernetes_run_the_same_images_with_the_same_commands() -> None:
    for name, service in SERVICES.items():
        within = pod(WORKLOADS["s3"])["initContainers"] if name == "s3-secrets" else pod(WORKLOADS[name])["containers"]
        [container] = within
        merged = service | ({"image": GPU[name]["image"]} if name in GPU else {})
        assert container["image"] == merged["image"]
        folder = {"/data": "/run/s3"} if name == "s3-secrets" else {}
        command = [folder.get(word, word) for word in service.get("command", [])] or None
        assert container.get("command") == (command if name in OURS else None)
        assert container.get("args") == (None if name in OURS else service["command"])


def test_workers_serve_the_pools_with_the_slots_of_the_embedded_stack() -> None:
    for name, pool in workers.WORKERS.items():
        command = SERVICES[name]["command"]
        assert command[command.index("--pool") + 1] == pool
        assert int(command[command.index("--limit") + 1]) == workers.SLOTS[pool]
        [waiting] = pod(WORKLOADS[name])["initContainers"]
        assert f"work-pool inspect {pool} " in waiting["command"][-1]


def test_every_pool_that_a_deployment_names_has_a_worker() -> None:
    deployments = yaml.safe_load((ROOT / "configs" / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    commands = [" ".join(service.get("command", [])) for service in SERVICES.values()]
    served = set(re.findall(r"worker start --pool (\w+)", "\n".join(commands)))
    assert served == {deployment["work_pool"]["name"] for deployment in deployments}


def test_files_and_commands_in_the_docs_exist() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b((?:docker|gateway|tests)/[\w./-]+[\w/])", page)) - {"docker/.env"}
    assert len(named) > 8
    assert {name for name in named if not (ROOT / name).exists()} == set()


def keys_of(role: str) -> tuple[str, str]:
    return f"{role}-access-0123456789", f"{role}-secret-0123456789abcdef"


def secrets_of_s3(
    folder: Path, *, roles: Sequence[str] = ("", "WORKER_", "GATEWAY_"), before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    told = {
        f"TRIPTYCH_S3_{role}{kind}_KEY": key
        for role in roles
        for kind, key in zip(("ACCESS", "SECRET"), keys_of(role.lower().strip("_") or "admin"), strict=True)
    }
    environment = clean_environment(told | {"TRIPTYCH_BUCKET": "docker"})
    command = [*before, sys.executable, DOCKER / "s3_secrets.py", folder]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_each_role_has_its_own_keys_and_the_s3_server_knows_them_all() -> None:
    told = environments()
    roles = dict.fromkeys(("worker-cpu", "worker-gpu", "worker-train"), "WORKER_")
    roles |= {"gateway": "GATEWAY_", "deploy": ""}
    for service, role in roles.items():
        for kind in ("ACCESS", "SECRET"):
            key = told[f"compose {service}"][f"TRIPTYCH_S3_{kind}_KEY"]
            assert key.startswith(f"${{TRIPTYCH_S3_{role}{kind}_KEY:?")
    for told_in in ("compose s3", "kubernetes s3 s3"):
        assert seaweed.mutual_tls(Path("/run/s3")).items() <= told[told_in].items()
    text = (KUBERNETES / "workers.yaml").read_text() + (KUBERNETES / "gateway.yaml").read_text()
    assert set(re.findall(r"key: TRIPTYCH_S3_(\w+?)_\w+_KEY", text)) == {"WORKER", "GATEWAY"}


def test_a_missing_key_of_the_s3_server_is_named(tmp_path: Path) -> None:
    done = secrets_of_s3(tmp_path, roles=[""])
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "TRIPTYCH_S3_WORKER_ACCESS_KEY is not set: make docker/.env with `sh docker/new-env.sh`."
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder to somebody else")
def test_the_secrets_are_written_without_capabilities_into_a_folder_of_somebody_else(tmp_path: Path) -> None:
    """As in Kubernetes, where the folder is root's and this user's group may write."""
    folder = tmp_path / "s3"
    folder.mkdir()
    os.chown(folder, 1000, 0)
    folder.chmod(0o2777)
    done = secrets_of_s3(folder, before=("setpriv", "--bounding-set=-all", "--inh-caps=-all"))
    assert done.returncode == 0, done.stderr
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o644}


def test_the_s3_command_starts_a_server_that_requires_the_keys(tmp_path: Path) -> None:
    assert secrets_of_s3(tmp_path / "s3").returncode == 0
    command: list[str] = SERVICES["s3"]["command"]
    ports = dict(zip(seaweed.PORTS, free_ports(len(seaweed.PORTS)), strict=True))
    here = {"dir": tmp_path, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", **ports}
    kept = [flag.replace("/run/", f"{tmp_path}/") for flag in command[1:] if flag[1:].split("=")[0] not in here]
    assert len(command) - 1 - len(kept) == 4
    token = "0123456789abcdef0123456789abcdef"
    variables = {
        name: value.replace("/run/", f"{tmp_path}/") if value.startswith("/") else token
        for name, value in SERVICES["s3"]["environment"].items()
    }
    weed = [Path(sys.executable).parent / "weed", "mini", *kept, *(f"-{name}={value}" for name, value in here.items())]
    environment = clean_environment(variables | {"GOMEMLIMIT": SERVICES["s3"]["environment"]["GOMEMLIMIT"]})
    start_process(tmp_path, "s3", list(map(str, weed)), environment, tmp_path)
    try:
        address = f"127.0.0.1:{ports['s3.port']}"
        bucket, worker = (
            Bucket.connect(
                endpoint=address,
                access_key=keys_of(role)[0],
                secret_key=keys_of(role)[1],
                name="docker",
                secure=False,
                region="us-east-1",
            )
            for role in ("admin", "worker")
        )
        wait_until(tmp_path, "s3", lambda: seaweed.answers(bucket), 60)
        worker.put("default/blobs/x", b"kept")
        with pytest.raises(StorageRefused):
            worker.remove("default/blobs/x")
        assert bucket.get("default/blobs/x") == b"kept"
        asked = SERVICES["s3"]["healthcheck"]["test"][-1].replace("127.0.0.1:8333", address)
        assert httpx.get(asked).status_code == 200
        assert httpx.get(f"http://{address}/docker").status_code == 403
        assert httpx.get(f"http://127.0.0.1:{ports['filer.port']}/").status_code == 401
    finally:
        stop_process(tmp_path, "s3")


def deploy(settings: Settings, **others: str) -> subprocess.CompletedProcess[str]:
    told = {f"TRIPTYCH_{name.upper()}": str(value) for name, value in settings.model_dump(mode="json").items() if value}
    told |= {
        "TRIPTYCH_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "TRIPTYCH_POSTGRES_DSN": settings.postgres_dsn.get_secret_value(),
        "TRIPTYCH_S3_SECURE": str(settings.s3_secure),
    }
    environment = clean_environment(told | others)
    return subprocess.run(
        [sys.executable, DOCKER / "deploy.py"], env=environment, capture_output=True, text=True, check=False
    )


def test_deploy_reports_errors_that_a_retry_cannot_help_at_once(settings: Settings) -> None:
    done = deploy(settings, TRIPTYCH_S3_SECRET_KEY="wrong", TRIPTYCH_PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.stack
@pytest.mark.timeout(400)
def test_deploy_creates_pools_queues_and_deployments_and_is_idempotent(settings: Settings, tmp_path: Path) -> None:
    [port] = free_ports(1)
    database = StackFile(read_stack_file(settings.home)).dsn("prefect", "postgresql+asyncpg")
    try:
        prefect_server.start_server(tmp_path, ROOT, database=database, port=port, auth_string="prefects:password")
        api = PrefectApi(f"http://127.0.0.1:{port}/api", SecretStr("prefects:password"))
        asked = {"TRIPTYCH_PREFECT_API_URL": api.url, "TRIPTYCH_BUCKET": "made-by-deploy"}
        done = deploy(settings, **asked)
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (1, 1)
        assert "does not let us in" in done.stderr
        for _ in range(2):
            done = deploy(settings, **asked, TRIPTYCH_PREFECT_AUTH_STRING="prefects:password")
            assert done.returncode == 0, done.stderr
        client = api.client()
        queues = client.post("/work_pools/gpu/queues/filter", json={}).json()
        assert prefect_server.QUEUES.items() <= {queue["name"]: queue["priority"] for queue in queues}.items()
        configured = yaml.safe_load((ROOT / "configs" / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
        made = {deployment["name"] for deployment in client.post("/deployments/filter", json={}).json()}
        assert made == {deployment["name"] for deployment in configured}
    finally:
        stop_process(tmp_path, prefect_server.SERVER)


def test_prefects_database_is_kept_small_wherever_the_server_runs(tmp_path: Path) -> None:
    name = "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"
    told = environments()
    found = {told["compose prefect"][name], told["kubernetes prefect prefect"][name]}
    assert found == {prefect_server.server_environment(tmp_path, "", 1, None)[name]} == {"events,flow_runs"}


def test_workers_outlive_an_absent_prefect_server() -> None:
    """They wait a minute for it: a shorter liveness window would end them with their runs."""
    for name in ("worker-cpu", "worker-gpu", "worker-train"):
        [container] = pod(WORKLOADS[name])["containers"]
        probe = container["livenessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= 300


def test_another_prefect_server_and_another_profile_get_their_own_deployments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (PrefectApi(f"http://{host}:4200/api", None) for host in ("one", "other"))
    before = prefect_server.deployed_state(tmp_path, ROOT, one)
    assert before != prefect_server.deployed_state(tmp_path, ROOT, other)
    monkeypatch.setenv("TRIPTYCH_PROFILE", "standard")
    assert before != prefect_server.deployed_state(tmp_path, ROOT, one)
