import re
from collections import Counter

import pydot
import pytest

from dissector.amqp import _methods as m
from dissector.rpc.hot import hot_of
from dissector.rpc.topology import Topology
from dissector.views.dot import DotView
from dissector.views.grid import GridStyle
from dissector.views.owner import owner_records, owner_text
from dissector.views.times import time_format
from dissector.views.topology import SECTIONS, topology_jsonl, topology_tables

from ..lab import truth
from ..rpc.happenings import START, Story, bind, connection, consume, declare, declared, deliver, publish
from ..wiring import events

HOSTILE = 'red\x1b[31m "quoted" back\\slash\nline\u202e<b>'
ESCAPED = r'red\x1b[31m "quoted" back\slash\nline\u202e<b>'
TIME = time_format("r", lambda: START)


@pytest.fixture
def hostile():
    """A topology in which every name would command a terminal."""
    topology = Topology()
    story, client = Story(topology), connection(name=f"{HOSTILE}:7:x", vhost=HOSTILE)
    story.asked(client, declare(HOSTILE, arguments={HOSTILE: HOSTILE}), declared(HOSTILE))
    story.asked(client, bind(HOSTILE, HOSTILE, HOSTILE), m.QueueBindOk())
    story.asked(client, consume(HOSTILE, HOSTILE), m.BasicConsumeOk(HOSTILE))
    story.message(client, publish(HOSTILE, HOSTILE))
    story.message(client, publish("", HOSTILE))
    story.message(client, deliver(HOSTILE, HOSTILE, tag=HOSTILE), queue=HOSTILE)
    story.asked(client, declare(HOSTILE, passive=True))
    close = m.ChannelClose(406, HOSTILE, 50, 10)
    story.event(client, close.NAME, close, from_client=False)
    return topology


def capture(name):
    topology = Topology()
    for event in events(truth.captures()[name]):
        topology.feed(event, hot_of(event))
    topology.finish()
    return topology


def dot(topology):
    text = DotView(topology.records(), topology.flows, topology.duration_s).write().decode()
    (graph,) = pydot.graph_from_dot_data(text)
    nodes = {node.get_name(): node for part in (graph, *graph.get_subgraphs()) for node in part.get_nodes()}
    return text, graph, {name: node for name, node in nodes.items() if re.fullmatch(r"n\d+", name)}


# pydot's parser is built on pyparsing, of which it uses names that are going out of use.
draws = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


@draws
@pytest.mark.parametrize("name", ["demo", "channels", "quorum-stream"])
def test_dot_is_a_graph_of_all_flows(name):
    topology = capture(name)
    _, graph, nodes = dot(topology)
    edges = graph.get_edges()
    assert graph.get_type() == "digraph"
    assert {end for edge in edges for end in (edge.get_source(), edge.get_destination())} <= set(nodes)
    shapes = {name: node.get_shape() for name, node in nodes.items()}
    messages = Counter()
    for edge in edges:
        found = re.search(r"([\d,]+) \([\d.]+/s\)", edge.get_label())
        way = (shapes[edge.get_source()], shapes[edge.get_destination()])
        assert way in {("box", "hexagon"), ("hexagon", "cylinder"), ("hexagon", "hexagon"), ("cylinder", "box")}
        assert bool(found) is not (edge.get_style() == "dashed")
        messages[way] += int(found[1]) if found else 0
    told = truth.load(name)
    assert messages["box", "hexagon"] == sum(one.leg == "publish" for one in told)
    assert messages["cylinder", "box"] == messages["hexagon", "cylinder"] == sum(one.leg == "deliver" for one in told)
    vhosts = {record.vhost for record in topology.records() if not isinstance(record, SECTIONS["connections"])}
    assert len(graph.get_subgraphs()) == len(vhosts - {None} or vhosts)


@draws
def test_dot_of_hostile_names(hostile):
    text, _, nodes = dot(hostile)
    assert text.replace("\n", "").isprintable()
    quoted = ESCAPED.replace("\\", "\\\\").replace('"', '\\"')
    assert f'"{quoted}\\n{quoted}={quoted}"' in [node.get_label() for node in nodes.values()]
    assert text.count("\n") == text.count("{\n") + text.count("}\n") + text.count(";\n"), "a statement a line"


@draws
def test_dot_of_nothing():
    _, graph, nodes = dot(Topology())
    assert (graph.get_edges(), nodes) == ([], {})


@pytest.mark.parametrize("width", [None, 60, 100, 160])
@pytest.mark.parametrize("name", ["demo", "channels", "quorum-stream"])
def test_tables_fit_and_name_each_section(name, width):
    records = list(capture(name).records())
    text = topology_tables(records, SECTIONS, TIME, GridStyle(width)).decode()
    lines = [line for line in text.splitlines() if not line.startswith("(no room for: ")]
    assert max(map(len, lines)) <= (width or 1000)
    counts = Counter(type(record) for record in records)
    titles = [line for line in lines if re.fullmatch(r"[A-Z]\w+ \([\d,]+\)", line)]
    assert titles == [f"{name.capitalize()} ({counts[kind]})" for name, kind in SECTIONS.items()]


@pytest.mark.parametrize("width", [None, 100])
def test_nothing_from_the_wire_commands_the_terminal(hostile, width):
    records = list(hostile.records())
    tables = topology_tables(records, SECTIONS, TIME, GridStyle(width)).decode()
    (queue,) = hostile.queues()
    owner = owner_text(owner_records(queue, records), TIME).decode()
    jsonl = topology_jsonl(records).decode()
    for text in (tables, owner, jsonl):
        assert text.replace("\n", "").isprintable()
        assert "red" in text
    assert ESCAPED in owner
    assert jsonl.count("\n") == len(records)


def test_a_virtual_host_is_a_column_where_there_are_several():
    tables = topology_tables(capture("channels").records(), ["queues"], TIME, GridStyle()).decode()
    assert tables.splitlines()[1].split()[0] == "vhost"
    tables = topology_tables(capture("demo").records(), ["queues"], TIME, GridStyle()).decode()
    assert tables.splitlines()[1].split()[0] == "name"


def test_what_is_unknown_is_a_question_mark():
    topology = Topology()
    client = connection(name=None, vhost=None)
    Story(topology).message(client, deliver("", "q"))
    (line,) = topology_tables(topology.records(), ["queues"], TIME, GridStyle()).decode().splitlines()[3:4]
    assert line.split()[:4] == ["q", "inferred", "?", "?"]
    (queue,) = topology.queues("q")
    text = owner_text([queue], TIME).decode()
    assert text.startswith("queue q in an unknown virtual host\n")
    assert "\n  declared        not seen: its features are unknown\n" in text


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("deleted", "it was deleted"),
        ("exclusive", "the connection that it belonged to ended"),
        ("not_found", "the broker did not find it (404 NOT_FOUND)"),
    ],
)
def test_why_a_queue_has_gone_is_said_in_words(why, words):
    topology = Topology()
    story, client = Story(topology), connection()
    story.asked(client, declare("q", exclusive=why == "exclusive"), declared("q"))
    if why == "deleted":
        story.asked(client, m.QueueDelete(0, "q", False, False, False), m.QueueDeleteOk(0))
    elif why == "exclusive":
        story.end(client)
    else:
        story.asked(client, consume("q"))
        close = m.ChannelClose(404, "NOT_FOUND", 60, 20)
        story.event(client, close.NAME, close, from_client=False)
    (queue,) = topology.queues()
    assert queue.gone == why
    assert re.search(rf"state           gone by 0\.00\d+: {re.escape(words)}\n", owner_text([queue], TIME).decode())
