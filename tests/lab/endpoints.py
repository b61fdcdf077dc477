"""What the laboratory's services answer: the methods that neutron's and nova's own RPC interfaces have.

The arguments and results have the shape that the real ones have on the wire; the work is not done.
"""

import time
from typing import Any

import oslo_messaging


class InstanceNotFound(Exception):
    """Nova's error for an unknown instance."""

    __module__ = "nova.exception"


class PortBindingFailed(Exception):
    """Nova's error for a port that no agent could bind."""

    __module__ = "nova.exception"


class Endpoint:
    """An endpoint that can call others through its service."""

    def __init__(self, service: Any) -> None:
        self.service = service


class Reports(Endpoint):
    """neutron-server: state reports of the agents."""

    target = oslo_messaging.Target(version="1.2")

    def report_state(self, ctxt, agent_state, time=None):
        return "new" if agent_state.get("start_flag") else "alive"


class Plugin(Endpoint):
    """neutron-server: what agents ask of the plugin."""

    target = oslo_messaging.Target(version="1.9")

    def get_active_networks_info(self, ctxt, host, enable_dhcp_filter=True):
        subnet = {
            "id": "6d2fe8f1-0a53-4a05-8e0e-1c7d4f2b9a10",
            "cidr": "192.0.2.0/24",
            "gateway_ip": "192.0.2.1",
            "enable_dhcp": True,
            "dns_nameservers": ["192.0.2.53"],
        }
        return [{"id": "5b7f2c1e-3f4a-4a8f-9a55-0f1f6e6f2d01", "mtu": 1450, "subnets": [subnet], "ports": []}]

    def dhcp_ready_on_ports(self, ctxt, port_ids):
        return None

    def get_devices_details_list_and_failed_devices(self, ctxt, devices, agent_id, host):
        detail = {"admin_state_up": True, "network_type": "vxlan", "segmentation_id": 1042, "mtu": 1450}
        return {"devices": [{"device": device, **detail} for device in devices], "failed_devices": []}

    def update_device_list(self, ctxt, devices_up, devices_down, agent_id, host):
        return {"devices_up": devices_up, "devices_down": [], "failed_devices_up": []}

    def get_ports(self, ctxt, port_filters, count=1, padding=0):
        port = {
            "id": "8c1f0ad2-7a0f-4f0e-8d8b-2f6f5a1c3e77",
            "mac_address": "fa:16:3e:4c:2a:9b",
            "fixed_ips": [{"ip_address": "192.0.2.17"}],
            "binding:profile": {"note": "p" * padding},
            "status": "ACTIVE",
        }
        return [port | {"index": index} for index in range(count)]


class Resources(Endpoint):
    """neutron-server: versioned objects on demand."""

    target = oslo_messaging.Target(version="1.1", namespace="resources")

    def pull(self, ctxt, resource_type, version, resource_id):
        return {
            "versioned_object.name": resource_type,
            "versioned_object.version": version,
            "versioned_object.namespace": "versionedobjects",
            "versioned_object.data": {"id": resource_id, "name": "web"},
        }


class DhcpAgent(Endpoint):
    """neutron-dhcp-agent: told of networks and ports."""

    target = oslo_messaging.Target(version="1.0")

    def network_create_end(self, ctxt, payload=None, priority=None):
        return None

    def port_create_end(self, ctxt, payload=None, priority=None):
        port = payload["port"]["id"]
        self.service.call(
            topic="q-plugin", version="1.5", method="dhcp_ready_on_ports", args={"port_ids": [port]}, context=ctxt
        )


class OvsAgent(Endpoint):
    """neutron-openvswitch-agent: told of ports and security groups by fanout."""

    target = oslo_messaging.Target(version="1.4")

    def port_update(self, ctxt, port=None, **_):
        return None

    def security_groups_member_updated(self, ctxt, security_groups=None):
        return None


class Conductor(Endpoint):
    """nova-conductor: database work for the others."""

    target = oslo_messaging.Target(version="3.0")

    def object_action(self, ctxt, objinst, objmethod, args=None, kwargs=None):
        return [{"updated_at": "2026-01-01T00:00:00Z", "obj_what_changed": []}, None]

    def provider_fw_rule_get_all(self, ctxt):
        return []


class ComputeTask(Endpoint):
    """nova-conductor: the building of instances."""

    target = oslo_messaging.Target(version="1.25", namespace="compute_task")

    def schedule_and_build_instances(self, ctxt, build_requests, request_specs, injected_files=None):
        hosts = self.service.call(
            topic="scheduler",
            version="4.5",
            method="select_destinations",
            args={"request_spec": request_specs[0], "instance_uuids": build_requests},
            context=ctxt,
        )
        self.service.cast(
            topic="compute",
            server=hosts[0],
            version="6.0",
            method="build_and_run_instance",
            args={"instance": build_requests[0], "admin_password": "osloshark-lab", "injected_files": injected_files},
            context=ctxt,
        )


class Scheduler(Endpoint):
    """nova-scheduler: chooses hosts."""

    target = oslo_messaging.Target(version="4.5")

    def select_destinations(self, ctxt, request_spec, instance_uuids):
        return ["compute1" for _ in instance_uuids]


class Compute(Endpoint):
    """nova-compute: instances on one host."""

    target = oslo_messaging.Target(version="6.0")

    def build_and_run_instance(self, ctxt, instance, admin_password=None, injected_files=None):
        for moment, state in (("start", "BUILD"), ("end", "ACTIVE")):
            self.service.notify(
                event_type=f"compute.instance.create.{moment}",
                publisher_id=f"compute.{self.service.host}",
                payload={"instance_id": instance, "state": state, "memory_mb": 512, "metadata": {}},
                context=ctxt,
            )
            self.service.call(
                topic="conductor",
                version="3.0",
                method="object_action",
                args={"objinst": {"nova_object.name": "Instance", "uuid": instance}, "objmethod": "save"},
                context=ctxt,
            )

    def get_console_output(self, ctxt, instance, tail_length):
        return {"output": "[    0.000000] Linux version\nlogin: "}

    def get_host_uptime(self, ctxt, wait=0.0):
        time.sleep(wait)
        return " 13:37:00 up 42 days,  1:02,  0 users,  load average: 0.01, 0.04, 0.05"

    def attach_interface(self, ctxt, instance, port_id):
        raise PortBindingFailed(f"Binding failed for port {port_id}, please check neutron logs")

    @oslo_messaging.expected_exceptions(InstanceNotFound)
    def get_diagnostics(self, ctxt, instance):
        raise InstanceNotFound(f"Instance {instance} could not be found.")

    def set_admin_password(self, ctxt, instance, new_pass):
        return None

    def echo(self, ctxt, value):
        return value

    def measure(self, ctxt, value):
        return len(value)
