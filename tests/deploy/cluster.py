"""A real Kubernetes API without nodes: etcd and kube-apiserver on this machine, for as long as a test runs.

Objects are validated, defaulted, admitted and stored as in any cluster; nothing schedules or runs them. The programs
are found on PATH, or named by ETCD and KUBE_APISERVER. Debian has etcd in the package etcd-server; kube-apiserver, 1.30
or later, is a release's or `go build ./cmd/kube-apiserver` in Kubernetes' own source."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

import yaml

import tools

PROGRAMS = {name: os.environ.get(variable) or shutil.which(name)
            for name, variable in (("etcd", "ETCD"), ("kube-apiserver", "KUBE_APISERVER"))}
MISSING = [name for name, path in PROGRAMS.items() if not path]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def definition(crd):
    """The CustomResourceDefinition of a file in crds/."""
    group, version = crd["apiVersion"].split("/")
    plural = crd["kind"].lower() + "s"
    names = {"kind": crd["kind"], "plural": plural, "singular": crd["kind"].lower()}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": crd["schema"]}}
    annotations = {"api-approved.kubernetes.io": "https://github.com/kubernetes/enhancements/pull/1111"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}", "annotations": annotations},
            "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [served]}}


class Cluster:
    def __init__(self, folder):
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.processes = []

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def launch(self, name, **flags):
        command = [PROGRAMS[name], *(f"--{flag.replace('_', '-')}={value}" for flag, value in flags.items())]
        with open(self.folder / f"{name}.log", "w", encoding="utf-8") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder))

    def start(self):
        client, peer, port = (f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}", free_port())
        key = self.folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        tokens = self.folder / "tokens.csv"
        tokens.write_text('let-me,operator,operator,"system:masters"\n', encoding="utf-8")
        self.launch("etcd", data_dir=self.folder / "etcd", listen_client_urls=client, advertise_client_urls=client,
                    listen_peer_urls=peer)
        self.launch("kube-apiserver", etcd_servers=client, secure_port=port, bind_address="127.0.0.1",
                    advertise_address="127.0.0.1", endpoint_reconciler_type="none", cert_dir=self.folder / "certs",
                    authorization_mode="RBAC", token_auth_file=tokens, service_cluster_ip_range="10.0.0.0/24",
                    service_account_issuer="https://localhost", service_account_key_file=key,
                    service_account_signing_key_file=key)
        server = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "here",
                  "clusters": [{"name": "here", "cluster": server}],
                  "users": [{"name": "operator", "user": {"token": "let-me"}}],
                  "contexts": [{"name": "here", "context": {"cluster": "here", "user": "operator"}}]}
        self.kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
        for _ in range(240):
            if tools.run("kubectl", "get", "--raw=/readyz", kubeconfig=self.kubeconfig).returncode == 0:
                return
            assert all(process.poll() is None for process in self.processes), f"look into {self.folder}"
            time.sleep(0.25)
        raise AssertionError(f"the API server is not ready: look into {self.folder}")

    def run(self, program, *arguments, stdin=None):
        """Output of helm or kubectl, which must succeed."""
        done = tools.run(program, *arguments, stdin=stdin, kubeconfig=self.kubeconfig)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def try_run(self, program, *arguments, stdin=None):
        return tools.run(program, *arguments, stdin=stdin, kubeconfig=self.kubeconfig)

    def get(self, *what):
        return json.loads(self.run("kubectl", "get", "-o", "json", *what))

    def define_others(self):
        """Makes the resources of crds/ known."""
        folder = pathlib.Path(__file__).with_name("crds")
        crds = [definition(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.yaml"))]
        self.run("kubectl", "create", "-f", "-", stdin=yaml.safe_dump_all(crds))
        self.run("kubectl", "wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
