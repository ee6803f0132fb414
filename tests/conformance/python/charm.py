"""The twin in Python: a reconciling charm on ops, as its users write them."""

import datetime
import hashlib
import json
import logging
import os
import pathlib
import subprocess

import ops
import yaml

logger = logging.getLogger(__name__)
# What ops itself logs at DEBUG differs from version to version.
logging.getLogger("ops").setLevel(logging.WARNING)

CONTAINER = "work"
CONFIG = "/etc/twin.conf"
DOWN = "/tmp/down"


class Twin(ops.CharmBase):
    """Reconciles in every hook; acts on events only where Juju tells something once."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.container = self.unit.get_container(CONTAINER)
        self.lines = 0
        self.heard: list[str] = []
        for event in (
            self.on.install,
            self.on.leader_elected,
            self.on.leader_settings_changed,
            self.on.config_changed,
            self.on.start,
            self.on.stop,
            self.on.remove,
            self.on.upgrade_charm,
            self.on.update_status,
        ):
            framework.observe(event, self._on_plain)
        for endpoint in ("source", "sink", "cluster"):
            events = self.on[endpoint]
            framework.observe(events.relation_created, self._on_relation)
            framework.observe(events.relation_joined, self._on_relation)
            framework.observe(events.relation_changed, self._on_relation)
            framework.observe(events.relation_departed, self._on_relation)
            if endpoint == "source":
                framework.observe(events.relation_broken, self._on_source_broken)
            framework.observe(events.relation_broken, self._on_relation)
        for storage in ("data", "cache"):
            framework.observe(self.on[storage].storage_attached, self._on_storage)
            framework.observe(self.on[storage].storage_detaching, self._on_storage)
        work = self.on[CONTAINER]
        framework.observe(work.pebble_ready, self._on_plain)
        framework.observe(work.pebble_custom_notice, self._on_notice)
        framework.observe(work.pebble_check_failed, self._on_check)
        framework.observe(work.pebble_check_recovered, self._on_check)
        framework.observe(self.on.secret_changed, self._on_secret_changed)
        framework.observe(self.on.secret_rotate, self._on_secret_rotate)
        framework.observe(self.on.secret_expired, self._on_secret_expired)
        framework.observe(self.on.secret_remove, self._on_secret_remove)
        for action in (
            "echo", "refuse", "crash", "inspect", "tools", "environment",
            "renew", "perish", "grow", "sabotage", "mend", "execute",
        ):
            framework.observe(self.on[action].action, getattr(self, f"_{action}"))
        framework.observe(self.on.collect_unit_status, self._on_collect_unit_status)
        framework.observe(self.on.collect_app_status, self._on_collect_app_status)

    # Events.

    def _trace(self, event: ops.EventBase, **facts):
        name = os.environ["JUJU_HOOK_NAME"]
        text = "".join(f" {key}={value}" for key, value in facts.items())
        logger.info("trace %s%s", name, text)

    def _on_plain(self, event: ops.EventBase):
        self._trace(event)
        if isinstance(event, ops.ConfigChangedEvent) and self.config["crash"]:
            raise RuntimeError("told to crash")
        self._reconcile()

    def _on_relation(self, event: ops.RelationEvent):
        departing = event.departing_unit if isinstance(event, ops.RelationDepartedEvent) else None
        self._trace(
            event,
            relation=f"{event.relation.name}:{event.relation.id}",
            app=event.app.name if event.app else "",
            unit=event.unit.name if event.unit else "",
            departing=departing.name if departing else "",
        )
        self._reconcile()

    def _on_source_broken(self, event: ops.RelationBrokenEvent):
        if not self.unit.is_leader():
            return
        try:
            secret = self.model.get_secret(label=f"source-{event.relation.id}")
            secret.get_info()
        except ops.SecretNotFoundError:
            return
        secret.remove_all_revisions()

    def _on_storage(self, event: ops.StorageEvent):
        self._trace(event, storage=event.storage.name, location=event.storage.location)
        self._reconcile()

    def _on_notice(self, event: ops.PebbleCustomNoticeEvent):
        self._trace(event, workload=event.workload.name, type=_value(event.notice.type), key=event.notice.key)
        self._remember("notice", f"{event.notice.key} {event.notice.last_data.get('colour', '')}".strip())
        self._reconcile()

    def _on_check(self, event: ops.PebbleCheckEvent):
        info = self.container.get_check(event.info.name)
        self._trace(event, workload=event.workload.name, check=event.info.name, status=_value(info.status))
        self._remember("check", f"{event.info.name} {_value(info.status)}")
        self._reconcile()

    def _on_secret_changed(self, event: ops.SecretChangedEvent):
        self._trace(event, label=event.secret.label)
        event.secret.get_content(refresh=True)
        self._reconcile()

    def _on_secret_rotate(self, event: ops.SecretRotateEvent):
        self._trace(event, label=event.secret.label)
        event.secret.set_content({"password": f"rotated-{event.secret.get_info().revision}"})
        self._reconcile()

    def _on_secret_expired(self, event: ops.SecretExpiredEvent):
        self._trace(event, label=event.secret.label, revision=event.revision)
        event.secret.set_content({"password": f"after-{event.revision}"})
        self._reconcile()

    def _on_secret_remove(self, event: ops.SecretRemoveEvent):
        self._trace(event, label=event.secret.label, revision=event.revision)
        event.remove_revision()
        self._reconcile()

    # What every hook does.

    def _remember(self, key: str, value: str):
        relation = self.model.get_relation("cluster")
        if relation:
            relation.data[self.unit][key] = value

    def _reconcile(self):
        leader = self.unit.is_leader()
        text = self.config["text"]
        cluster = self.model.get_relation("cluster")
        if cluster:
            cluster.data[self.unit]["greeting"] = f"{text} from {self.unit.name}"
            if leader:
                cluster.data[self.app]["text"] = text
                cluster.data[self.app]["planned"] = str(self.app.planned_units())
            self.heard = sorted(cluster.data[unit].get("greeting", "") for unit in cluster.units)
        for relation in self.model.relations["source"]:
            relation.data[self.unit]["port"] = str(self.config["port"])
            if leader:
                relation.data[self.app].update({"text": text, "secret": self._offered(relation)})
        for relation in self.model.relations["sink"]:
            self._listen(relation)
        self.unit.set_ports(self.config["port"])
        self.unit.set_workload_version(f"1.{self.config['count']}")
        if self.container.can_connect():
            self._apply()

    def _offered(self, relation: ops.Relation) -> str:
        label = f"source-{relation.id}"
        try:
            secret_id = self.model.get_secret(label=label).get_info().id
        except ops.SecretNotFoundError:
            secret = self.app.add_secret(
                {"password": "first"}, label=label, description="of a relation", rotate=ops.SecretRotate.HOURLY
            )
            secret.grant(relation)
            secret_id = secret.id
        return secret_id

    def _listen(self, relation: ops.Relation):
        remote = relation.data[relation.app]
        ports = sorted(relation.data[unit].get("port", "") for unit in relation.units)
        digest = ""
        if remote.get("secret"):
            try:
                secret = self.model.get_secret(id=remote["secret"], label=f"sink-{relation.id}")
                digest = hashlib.sha256(secret.get_content()["password"].encode()).hexdigest()[:12]
            except (ops.SecretNotFoundError, ops.ModelError):
                digest = "not granted"
        relation.data[self.unit].update({
            "heard": remote.get("text", ""),
            "ports": ",".join(ports),
            "digest": digest,
        })
        self.heard.append(remote.get("text", ""))

    def _rendered(self) -> str:
        options = {
            key: value for key, value in self.config.items() if key not in ("lines", "crash")
        }
        content = "".join(f"{key}={_text(value)}\n" for key, value in sorted(options.items()))
        return content + "".join(f"heard={heard}\n" for heard in self.heard) + self.config["lines"]

    def _apply(self):
        content = self._rendered()
        try:
            present = self.container.pull(CONFIG).read()
        except ops.pebble.PathError:
            present = None
        if present != content:
            self.container.push(CONFIG, content, make_dirs=True, permissions=0o640)
        self.container.add_layer(
            "charm",
            {
                "summary": "twin",
                "services": {
                    "twin": {
                        "override": "replace",
                        "summary": "sleeps",
                        "command": "sleep 1000000",
                        "startup": "enabled",
                        "environment": {"TEXT": self.config["text"]},
                    },
                },
                "checks": {
                    "up": {
                        "override": "replace",
                        "period": "2s",
                        "timeout": "1900ms",
                        "threshold": 2,
                        "exec": {"command": f"test ! -e {DOWN}"},
                    },
                },
            },
            combine=True,
        )
        self.container.replan()
        self.lines = content.count("\n")

    def _on_collect_unit_status(self, event: ops.CollectStatusEvent):
        if self.config["count"] < 0:
            event.add_status(ops.BlockedStatus(f"option count: {self.config['count']} is negative"))
        if not self.container.can_connect():
            event.add_status(ops.WaitingStatus("for the container"))
            return
        peers = self.model.get_relation("cluster")
        event.add_status(ops.ActiveStatus(f"{len(peers.units) if peers else 0} peers, port {self.config['port']}"))

    def _on_collect_app_status(self, event: ops.CollectStatusEvent):
        if self.config["flag"]:
            event.add_status(ops.ActiveStatus(f"planned {self.app.planned_units()}"))
        else:
            event.add_status(ops.WaitingStatus("for the flag"))

    # Actions.

    def _echo(self, event: ops.ActionEvent):
        event.log(f"echo on {self.unit.name}")
        event.log("--second line")
        event.set_results({
            "word": event.params["word"] * event.params["times"],
            "params": {key: json.dumps(value, sort_keys=True) for key, value in event.params.items()},
        })

    def _refuse(self, event: ops.ActionEvent):
        event.set_results({"why": "not today"})
        event.fail("I will not")

    def _crash(self, event: ops.ActionEvent):
        event.set_results({"partial": "result"})
        raise RuntimeError("crashed")

    def _inspect(self, event: ops.ActionEvent):
        network = self.model.get_binding("cluster").network
        storages = {}
        for name in ("cache", "data"):
            storages[name] = " ".join(sorted(str(storage.location) for storage in self.model.storages[name]))
        resource = self.model.resources.fetch("work-image")
        secrets = []
        relations = {}
        for endpoint in ("source", "sink", "cluster"):
            for relation in self.model.relations[endpoint]:
                units = " ".join(sorted(unit.name for unit in relation.units))
                relations[endpoint] = f"{relation.name}:{relation.id} {relation.app.name} {units}"
                if endpoint == "source" and self.unit.is_leader():
                    info = self.model.get_secret(label=f"source-{relation.id}").get_info()
                    secrets.append(f"{info.label} {info.revision} {_value(info.rotation)} {info.description}"
                                   f" {'expires' if info.expires else 'stays'} {'rotates' if info.rotates else 'keeps'}")
        event.set_results({
            "model": self.model.name,
            "version": str(self.model.juju_version),
            "leader": str(self.unit.is_leader()).lower(),
            "planned": self.app.planned_units(),
            "network": {
                "bind": str(network.bind_address),
                "ingress": str(network.ingress_address),
                "egress": " ".join(str(subnet) for subnet in network.egress_subnets),
                "interfaces": len(network.interfaces),
            },
            "storage": storages,
            "resource": {
                "name": resource.name,
                "keys": " ".join(sorted(yaml.safe_load(resource.read_text()))),
            },
            "relations": relations,
            "secrets": "; ".join(secrets),
            "ports": " ".join(sorted(str(port.port) for port in self.unit.opened_ports())),
            "status": f"{self.unit.status.name}: {self.unit.status.message}",
            "config": {key: _text(value) for key, value in self.config.items()},
        })

    def _tools(self, event: ops.ActionEvent):
        results = {}
        for number, (command, given) in enumerate(json.loads(pathlib.Path("tools.json").read_text())):
            done = subprocess.run(command, input=given, capture_output=True, text=True)
            results[f"n{number:02}"] = json.dumps([command, done.returncode, done.stdout, done.stderr])
        event.set_results(results)

    def _environment(self, event: ops.ActionEvent):
        # ops and dispatch add to the environment; a child of the agent would not see that.
        own = ("OPERATOR_DISPATCH", "PYTHONPATH", "PWD", "OLDPWD", "_", "SHLVL", "LC_CTYPE")
        event.set_results({
            "variables": json.dumps({key: value for key, value in os.environ.items() if key not in own}),
            "directory": os.getcwd(),
        })

    def _secrets(self):
        for relation in self.model.relations["source"]:
            yield self.model.get_secret(label=f"source-{relation.id}")

    def _renew(self, event: ops.ActionEvent):
        for secret in self._secrets():
            secret.set_content({"password": event.params["word"]})

    def _perish(self, event: ops.ActionEvent):
        for secret in self._secrets():
            secret.set_info(expire=datetime.timedelta(minutes=event.params["minutes"]))

    def _grow(self, event: ops.ActionEvent):
        self.model.storages.request("cache")

    def _sabotage(self, event: ops.ActionEvent):
        self.container.push(DOWN, "")

    def _mend(self, event: ops.ActionEvent):
        self.container.remove_path(DOWN)

    def _execute(self, event: ops.ActionEvent):
        process = self.container.exec(
            ["sh", "-c", "cat; echo $COLOUR in $(pwd) >&2; exit 3"],
            stdin="given", environment={"COLOUR": "green"}, working_dir="/data", timeout=10,
        )
        try:
            process.wait_output()
        except ops.pebble.ExecError as failure:
            event.set_results({
                "code": failure.exit_code, "output": failure.stdout, "errors": failure.stderr.strip(),
            })


def _value(enum) -> str:
    return enum.value if hasattr(enum, "value") else str(enum)


def _text(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    ops.main(Twin)
