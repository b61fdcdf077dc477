"""The stories that are recorded, by name: what the services say to each other.

Each is a function of the stage, and registers under its own name in ``SCENARIOS``.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from .broker import PASSWORD
from .network import COMPUTE1, CONTROLLER, NETWORK1, NEUTRAL_LAB
from .releases import RELEASES
from .stage import Stage, context

Scenario = Callable[[Stage], None]
SCENARIOS: Final[dict[str, Scenario]] = {}

INSTANCE: Final = "3c5f1d7e-2b64-4a6f-9d83-6b2a1f0e5c42"
NETWORK: Final = "5b7f2c1e-3f4a-4a8f-9a55-0f1f6e6f2d01"
PORT_ID: Final = "8c1f0ad2-7a0f-4f0e-8d8b-2f6f5a1c3e77"
UNICODE: Final = 'Zürich, Кириллица, 東京, \U0001f600, "quotes" and \\ backslash\n'

NEUTRON_SERVER: Final[dict[str, Any]] = {
    "program": "neutron-server",
    "host": CONTROLLER.name,
    "exchange": "neutron",
    "servers": [["q-reports-plugin", "Reports"], ["q-plugin", "Plugin", "Resources"]],
}
DHCP_AGENT: Final[dict[str, Any]] = {
    "program": "neutron-dhcp-agent",
    "host": NETWORK1.name,
    "exchange": "neutron",
    "servers": [["dhcp_agent", "DhcpAgent"]],
}
OVS_AGENT: Final[dict[str, Any]] = {
    "program": "neutron-openvswitch-agent",
    "host": COMPUTE1.name,
    "exchange": "neutron",
    "servers": [["q-agent-notifier-port-update", "OvsAgent"]],
}
NOVA_API: Final[dict[str, Any]] = {"program": "nova-api", "host": CONTROLLER.name, "exchange": "nova"}
NOVA_SCHEDULER: Final[dict[str, Any]] = {
    "program": "nova-scheduler",
    "host": CONTROLLER.name,
    "exchange": "nova",
    "servers": [["scheduler", "Scheduler"]],
}
NOVA_CONDUCTOR: Final[dict[str, Any]] = {
    "program": "nova-conductor",
    "host": CONTROLLER.name,
    "exchange": "nova",
    "servers": [["conductor", "Conductor", "ComputeTask"]],
}
NOVA_COMPUTE: Final[dict[str, Any]] = {
    "program": "nova-compute",
    "host": COMPUTE1.name,
    "exchange": "nova",
    "servers": [["compute", "Compute"]],
}
CEILOMETER: Final[dict[str, Any]] = {
    "program": "ceilometer-agent-notification",
    "host": CONTROLLER.name,
    "exchange": "nova",
    "listen": ["notifications"],
}


BUILD: Final[dict[str, Any]] = {
    "topic": "conductor",
    "namespace": "compute_task",
    "version": "1.23",
    "method": "schedule_and_build_instances",
    "args": {
        "build_requests": [INSTANCE],
        "request_specs": [{"flavor": {"vcpus": 1, "memory_mb": 512}, "num_instances": 1}],
        "injected_files": [["/etc/motd", "d2VsY29tZQ=="]],
    },
}
"""nova-api's cast that makes conductor, scheduler and compute build an instance."""


def scenario(function: Scenario) -> Scenario:
    """Register a scenario under its function's name."""
    SCENARIOS[function.__name__] = function
    return function


def report_state(program: str, host: str, *, start: bool = False) -> dict[str, Any]:
    """The arguments of an agent's state report."""
    state = {
        "binary": program,
        "host": host,
        "agent_type": {"neutron-dhcp-agent": "DHCP agent"}.get(program, "Open vSwitch agent"),
        "topic": "N/A",
        "configurations": {"bridge_mappings": {"physnet1": "br-ex"}, "tunnel_types": ["vxlan"], "devices": 3},
        "start_flag": start,
    }
    return {
        "topic": "q-reports-plugin",
        "version": "1.2",
        "method": "report_state",
        "args": {"agent_state": {"agent_state": state}, "time": "2026-01-01T00:00:00.000000"},
    }


def compute_call(method: str, **operation: Any) -> dict[str, Any]:
    """A call to nova-compute on compute1."""
    return {"topic": "compute", "server": COMPUTE1.name, "version": "6.0", "method": method, **operation}


@scenario
def call(stage: Stage) -> None:
    """Agents' state reports and questions: calls that all succeed, some with a void result."""
    with stage.services(NEUTRON_SERVER, DHCP_AGENT, OVS_AGENT) as (_, dhcp, ovs):
        dhcp.do("call", **report_state("neutron-dhcp-agent", NETWORK1.name, start=True))
        ovs.do("call", **report_state("neutron-openvswitch-agent", COMPUTE1.name, start=True))
        networks = {"host": NETWORK1.name}
        dhcp.do("call", topic="q-plugin", version="1.1", method="get_active_networks_info", args=networks)
        ready = {"port_ids": [PORT_ID]}
        dhcp.do("call", topic="q-plugin", version="1.5", method="dhcp_ready_on_ports", args=ready)
        pull = {"resource_type": "Port", "version": "1.8", "resource_id": PORT_ID}
        ovs.do("call", topic="q-plugin", version="1.1", namespace="resources", method="pull", args=pull)
        each = [report_state("neutron-openvswitch-agent", COMPUTE1.name) for _ in range(4)]
        ovs.do("calls", each=[{"context": {}, **one} for one in each])


@scenario
def cast(stage: Stage) -> None:
    """nova-api asks for an instance: casts to a topic and to one server, with calls that follow from them."""
    with stage.services(NOVA_CONDUCTOR, NOVA_SCHEDULER, NOVA_COMPUTE, NOVA_API) as (*_, api):
        api.do("cast", **BUILD)
        time.sleep(1.5)


@scenario
def fanout(stage: Stage) -> None:
    """neutron-server tells every agent: one publish, a deliver each."""
    second = {**OVS_AGENT, "host": NETWORK1.name}
    with stage.services(NEUTRON_SERVER, OVS_AGENT, second) as (server, *_):
        target = {"topic": "q-agent-notifier-port-update", "fanout": True, "version": "1.4"}
        server.do("cast", **target, method="port_update", args={"port": {"id": PORT_ID, "status": "ACTIVE"}})
        groups = {"security_groups": ["0d1e2f30-4152-4637-8495-a6b7c8d9eaf0"]}
        server.do("cast", **target, method="security_groups_member_updated", args=groups)
        time.sleep(0.3)


@scenario
def notification(stage: Stage) -> None:
    """Notifications of both formats and all priorities, to one topic and to two; one is put back once."""
    with stage.services(CEILOMETER, NOVA_API) as (_, api):
        for driver in ("messaging", "messagingv2"):
            for priority in ("audit", "debug", "info", "warn", "error", "critical", "sample"):
                payload = {"instance_id": INSTANCE, "state": "active", "nested": {"password": "not-a-secret"}}
                event = {"event_type": "compute.instance.update", "payload": payload}
                api.do("notify", driver=driver, priority=priority, **event)
        versioned = ["notifications", "versioned_notifications"]
        api.do("notify", topics=versioned, event_type="instance.update", payload={"state": "active"})
        api.do("notify", event_type="compute.instance.retry", payload={"attempt": 1})
        time.sleep(0.5)


@scenario
def failure(stage: Stage) -> None:
    """Calls that fail: an exception with its traceback, an expected one, no such method, wrong version."""
    with stage.services(NOVA_COMPUTE, NOVA_API) as (_, api):
        interface = {"instance": INSTANCE, "port_id": PORT_ID}
        api.do("call", error="RemoteError", **compute_call("attach_interface", args=interface))
        api.do("call", error="RemoteError", **compute_call("get_diagnostics", args={"instance": INSTANCE}))
        api.do("call", error="RemoteError", **compute_call("no_such_method"))
        wrong = {"version": "7.0", "args": {"value": 1}}
        api.do("call", error="RemoteError", **compute_call("echo") | wrong)
        secret = {"instance": INSTANCE, "new_pass": "osloshark-lab"}
        api.do("call", **compute_call("set_admin_password", args=secret))


@scenario
def late_reply(stage: Stage) -> None:
    """The server takes longer than the client waits: the reply is delivered, and dropped."""
    with stage.services(NOVA_COMPUTE, NOVA_API) as (_, api):
        slow = compute_call("get_host_uptime", args={"wait": 1.8}, timeout=1)
        api.do("call", error="MessagingTimeout", **slow)
        api.do("sleep", seconds=1.5)


@scenario
def call_monitor(stage: Stage) -> None:
    """A long call whose server says every second that it still works."""
    with stage.services(NOVA_COMPUTE, NOVA_API) as (_, api):
        api.do("call", **compute_call("get_host_uptime", args={"wait": 2.8}, timeout=10, monitor=2))


@scenario
def nobody_listens(stage: Stage) -> None:
    """A call that no queue takes: silently lost, and returned (312) when it is sent at least once."""
    with stage.services(NOVA_API) as (api,):
        nobody = {"topic": "compute", "server": "compute9", "version": "6.0", "method": "get_host_uptime"}
        api.do("call", error="MessagingTimeout", **nobody, timeout=1)
        api.do("call", error="MessageUndeliverable", **nobody, timeout=1, at_least_once=True)
        api.do("cast", **nobody)


@scenario
def dead_reply_queue(stage: Stage) -> None:
    """The client dies and its reply queue expires: the server's reply comes back (312) again and again."""
    patient = {**NOVA_COMPUTE, "conf": {"kombu_missing_consumer_retry_timeout": 1}}
    brief = {**NOVA_API, "conf": {"rabbit_transient_queues_ttl": 1}}
    with stage.services(patient, brief) as (_, api):
        api.tell("call", **compute_call("get_host_uptime", args={"wait": 3.5}))
        time.sleep(1)
        api.crash()
        time.sleep(4.5)


def asked(count: int, method: str, **operation: Any) -> list[dict[str, Any]]:
    """As many calls to nova-compute as *count*, each with a context of its own."""
    return [{"context": context(), **compute_call(method, **operation)} for _ in range(count)]


@scenario
def verdicts(stage: Stage) -> None:
    """Every status and every cause of a call three times and more, by design; the clients' own clocks are kept."""
    dying = {**NOVA_API, "conf": {"rabbit_transient_queues_ttl": 1}}
    patient = {**NOVA_COMPUTE, "conf": {"kombu_missing_consumer_retry_timeout": 1}}
    second = {**OVS_AGENT, "host": NETWORK1.name}
    with stage.services(patient, CEILOMETER, OVS_AGENT, second, NEUTRON_SERVER, dying, NOVA_API) as (
        *(compute, _, _, _, neutron, brief, api),
    ):
        instance = {"instance": INSTANCE}
        # 20 ok, 5 failed.
        stage.clocks += api.do("timed", each=asked(20, "echo", args={"value": 1}))
        stage.clocks += api.do("timed", each=asked(5, "get_diagnostics", args=instance))
        # 3 + 1 undelivered, 4 not_delivered.
        for _ in range(3):
            api.do("cast", **compute_call("get_host_uptime", server="compute9"))
        api.do("notify", topics=["versioned_notifications"], event_type="instance.update", payload={})
        stage.clocks += api.do("timed", each=asked(3, "echo", server="compute9", timeout=1), at_once=True)
        nobody = compute_call("get_host_uptime", server="compute9", timeout=1)
        api.do("call", error="MessageUndeliverable", **nobody, at_least_once=True)
        # 4 casts, 3 fanouts, 3 notifications sent.
        for number in range(4):
            api.do("cast", **compute_call("echo", args={"value": number}))
        for _ in range(3):
            everyone = {"topic": "q-agent-notifier-port-update", "fanout": True, "version": "1.4"}
            neutron.do("cast", **everyone, method="port_update", args={"port": {"id": PORT_ID}})
            api.do("notify", event_type="compute.instance.update", payload={"state": "active"})
        # 3 late_reply.
        slow = asked(3, "get_host_uptime", args={"wait": 1.4}, timeout=1)
        stage.clocks += api.do("timed", each=slow, at_once=True)
        api.do("sleep", seconds=0.8)
        # 3 reply_unroutable: their client dies, then its queue, then the reply comes.
        brief.tell("timed", each=asked(3, "get_host_uptime", args={"wait": 3}, timeout=4), at_once=True)
        time.sleep(0.7)
        brief.crash()
        time.sleep(4)
        # 3 no_reply: the server is killed over them. 4 pending: the story ends over them.
        stage.clocks += api.do("timed", each=asked(3, "get_host_uptime", args={"wait": 60}, timeout=1), at_once=True)
        api.tell("timed", each=asked(4, "get_host_uptime", args={"wait": 60}, timeout=30), at_once=True)
        time.sleep(0.5)
        compute.crash()
        api.crash()


def numbered(size: int) -> str:
    """Text of *size* characters in which every 64 tell their place, and which packs well."""
    return "".join(f"{place:08d} osloshark".ljust(64, ".") for place in range(0, size, 64))[:size]


@scenario
def several_frames(stage: Stage) -> None:
    """Bodies around and over frame_max, both ways: up to three body frames each."""
    with stage.services(NEUTRON_SERVER, NOVA_COMPUTE, NOVA_API, OVS_AGENT) as (*_, api, ovs):
        # Requests are 665 bytes longer than the value: in one write, in one frame, just filling it, over it.
        for size in (100, 130_300, 130_370, 130_399, 130_400, 300_000):
            api.do("call", **compute_call("echo", args={"value": numbered(size)}))
        ports = {"port_filters": {}, "count": 40, "padding": 6_000}
        ovs.do("call", topic="q-plugin", version="1.9", method="get_ports", args=ports)


@scenario
def megabyte(stage: Stage) -> None:
    """A body of eight frames and more."""
    with stage.services(NOVA_COMPUTE, NOVA_API) as (_, api):
        api.do("call", **compute_call("measure", args={"value": numbered(1_000_000)}))


@scenario
def compressed(stage: Stage) -> None:
    """Bodies compressed by kombu: gzip (which is zlib on the wire), bzip2, brotli and lzma."""
    value = {"value": [UNICODE] * 200}
    for method in ("gzip", "bzip2", "brotli", "lzma"):
        conf = {"conf": {"kombu_compression": method}}
        with stage.services({**NOVA_COMPUTE, **conf}, {**NOVA_API, **conf}) as (_, api):
            api.do("call", **compute_call("echo", args=value))
            api.do("call", error="RemoteError", **compute_call("get_diagnostics", args={"instance": INSTANCE}))


@scenario
def non_ascii(stage: Stage) -> None:
    """Text beyond ASCII in arguments, results, exception messages and notifications."""
    with stage.services(NOVA_COMPUTE, NOVA_API) as (_, api):
        api.do("call", **compute_call("echo", args={"value": {UNICODE: UNICODE}}))
        api.do("call", error="RemoteError", **compute_call("get_diagnostics", args={"instance": UNICODE}))
        api.do("notify", driver="messaging", event_type="instance.update", payload={"name": UNICODE})


@scenario
def quorum(stage: Stage) -> None:
    """Quorum queues for all: a notification that is put back comes again with x-delivery-count."""
    conf = {"conf": {"rabbit_quorum_queue": True, "rabbit_transient_quorum_queue": True}}
    # Exchanges and queues of its own: the broker keeps those of the same name from other scenarios.
    own = {"exchange": "nova_quorum", **conf}
    compute = {**NOVA_COMPUTE, **own, "servers": [["compute_quorum", "Compute"]]}
    listener = {**CEILOMETER, **own, "listen": ["notifications_quorum"]}
    with stage.services(compute, listener, {**NOVA_API, **own}) as (*_, api):
        api.do("call", **compute_call("echo", args={"value": 1}) | {"topic": "compute_quorum"})
        topics = ["notifications_quorum"]
        api.do("notify", topics=topics, event_type="compute.instance.retry", payload={"attempt": 1})
        time.sleep(1)


@scenario
def stream_fanout(stage: Stage) -> None:
    """One stream as the fanout queue of all agents, and queue names by the queue manager."""
    conf = {
        "rabbit_quorum_queue": True,
        "rabbit_transient_quorum_queue": True,
        "rabbit_stream_fanout": True,
        "rabbit_qos_prefetch_count": 10,
        "use_queue_manager": True,
    }
    own = {"exchange": "neutron_stream", "conf": conf}
    agents = [
        {**OVS_AGENT, **own, "servers": [["q-agent-stream", "OvsAgent"]], "host": host}
        for host in (COMPUTE1.name, NETWORK1.name)
    ]
    with stage.services({**NEUTRON_SERVER, **own, "servers": []}, *agents) as (server, *_):
        # A consumer of a stream starts at its last chunk: it must be there before the first message.
        time.sleep(0.7)
        for number in range(3):
            target = {"topic": "q-agent-stream", "fanout": True, "version": "1.4", "method": "port_update"}
            server.do("cast", **target, args={"port": {"id": PORT_ID, "revision_number": number}})
        time.sleep(1)


@scenario
def other_vhost(stage: Stage) -> None:
    """A cell's own virtual host and user."""
    own = {"url": stage.url("nova-cell1", "nova_cell1")}
    with stage.services({**NOVA_COMPUTE, **own}, {**NOVA_API, **own}) as (_, api):
        api.do("call", **compute_call("get_console_output", args={"instance": INSTANCE, "tail_length": 2}))
        api.do("call", **compute_call("echo", args={"value": "cell"}))


@scenario
def demo(stage: Stage) -> None:
    """A day in a cloud, short: agents report, an instance is built, one call fails and one is too slow."""
    with stage.services(
        *(NEUTRON_SERVER, DHCP_AGENT, OVS_AGENT, NOVA_CONDUCTOR),
        *(NOVA_SCHEDULER, CEILOMETER, NOVA_COMPUTE, NOVA_API),
    ) as (server, dhcp, ovs, _, _, _, compute, api):
        for start in (True, False):
            dhcp.do("call", **report_state("neutron-dhcp-agent", NETWORK1.name, start=start))
            ovs.do("call", **report_state("neutron-openvswitch-agent", COMPUTE1.name, start=start))
        networks = {"host": NETWORK1.name}
        dhcp.do("call", topic="q-plugin", version="1.1", method="get_active_networks_info", args=networks)
        created = {"network": {"id": NETWORK, "name": "Zürich-東京", "mtu": 1450}}
        to_dhcp = {"topic": "dhcp_agent", "server": NETWORK1.name, "version": "1.0"}
        server.do("cast", **to_dhcp, method="network_create_end", args={"payload": created})
        api.do("cast", **BUILD)
        time.sleep(1.2)
        port = {"id": PORT_ID, "network_id": NETWORK, "status": "DOWN"}
        server.do("cast", **to_dhcp, method="port_create_end", args={"payload": {"port": port}})
        update = {"topic": "q-agent-notifier-port-update", "fanout": True, "version": "1.4"}
        server.do("cast", **update, method="port_update", args={"port": {**port, "status": "BUILD"}})
        devices = {"devices": [PORT_ID], "agent_id": "ovs-agent-compute1", "host": COMPUTE1.name}
        details = "get_devices_details_list_and_failed_devices"
        ovs.do("call", topic="q-plugin", version="1.9", method=details, args=devices)
        up = {"devices_up": [PORT_ID], "devices_down": [], "agent_id": "ovs-agent-compute1"}
        update_up = {"topic": "q-plugin", "version": "1.5", "method": "update_device_list"}
        ovs.do("call", **update_up, args={**up, "host": COMPUTE1.name})
        console = {"instance": INSTANCE, "tail_length": 2}
        api.do("call", **compute_call("get_console_output", args=console))
        interface = {"instance": INSTANCE, "port_id": PORT_ID}
        api.do("call", error="RemoteError", **compute_call("attach_interface", args=interface))
        slow = compute_call("get_host_uptime", args={"wait": 1.6}, timeout=1)
        api.do("call", error="MessagingTimeout", **slow)
        api.do("sleep", seconds=1)
        nobody = compute_call("get_host_uptime", server="compute9", timeout=1)
        api.do("call", error="MessageUndeliverable", **nobody, at_least_once=True)
        ovs.do("call", **report_state("neutron-openvswitch-agent", COMPUTE1.name))
        dhcp.do("call", **report_state("neutron-dhcp-agent", NETWORK1.name))
        compute.do("notify", driver="messaging", event_type="compute.metrics.update", payload={"cpu": 3})
        time.sleep(0.3)


@scenario
def channels(stage: Stage) -> None:
    """AMQP beyond oslo.messaging, by pika and py-amqp: see ``raw.py``."""
    process = stage.start(COMPUTE1.name, f"{NEUTRAL_LAB}/raw.py", "run", stage.broker, PASSWORD)
    process.communicate(timeout=60)
    if process.returncode != 0:
        raise RuntimeError("raw.py failed")


@scenario
def blocked(stage: Stage) -> None:
    """The broker's memory alarm blocks a publisher, and unblocks it."""
    process = stage.start(COMPUTE1.name, f"{NEUTRAL_LAB}/raw.py", "blocked", stage.broker, PASSWORD)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for told, watermark in (("ready", "0.00001"), ("alarm", "0.4"), ("over", "")):
            if process.stdout.readline().strip() != told:
                raise RuntimeError("raw.py failed")
            if watermark:
                stage.control("set_vm_memory_high_watermark", watermark)
            process.stdin.write("\n")
            process.stdin.flush()
    finally:
        stage.control("set_vm_memory_high_watermark", "0.4")
        process.communicate(timeout=60)
    if process.returncode != 0:
        raise RuntimeError("raw.py failed")


@scenario
def old_releases(stage: Stage) -> None:
    """Older releases of oslo.messaging; the laboratory must have fetched them."""
    for release in RELEASES:
        own = {"release": release, "exchange": f"nova_{release}"}
        servers = [[f"compute_{release}", "Compute"]]
        with stage.services({**NOVA_COMPUTE, **own, "servers": servers}, {**NOVA_API, **own}) as (_, api):
            topic = {"topic": f"compute_{release}"}
            api.do("call", **compute_call("echo", args={"value": UNICODE}) | topic)
            instance = {"instance": INSTANCE}
            api.do("call", error="RemoteError", **compute_call("get_diagnostics", args=instance) | topic)
            missing = compute_call("no_such_method") | topic | {"server": None, "fanout": True}
            api.do("cast", **missing)
            api.do("call", **compute_call("get_host_uptime") | topic | {"server": None})
            payload = {"state": "active"}
            api.do("notify", topics=[f"notify_{release}"], event_type="instance.update", payload=payload)
