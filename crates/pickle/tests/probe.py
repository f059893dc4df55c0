# Run by python.rs, with Python 2.7 and Python 3. Commands:
#   emit    writes "protocol <tab> pickle in hex <tab> description" for every value below
#   check   reads pickles in hex, one a line, and writes the description of each
import sys
import types

PY2 = sys.version_info[0] == 2
if PY2:
    import cPickle as pickle
    import pickle as slow_pickle
    from binascii import hexlify, unhexlify
    text, integers = unicode, (int, long)
else:
    import pickle
    from binascii import hexlify, unhexlify
    text, integers = str, (int,)

# Classes must be importable by name when they are unpickled.
probe = types.ModuleType("dormouse_probe")
sys.modules["dormouse_probe"] = probe


def public(made):
    made.__module__ = "dormouse_probe"
    if hasattr(made, "__qualname__"):
        made.__qualname__ = made.__name__
    setattr(probe, made.__name__, made)
    return made


@public
class Old:
    pass


@public
class OldWithArguments:
    def __init__(self, *args):
        self.args = args

    def __getinitargs__(self):
        return self.args


@public
class New(object):
    pass


@public
class Slotted(object):
    __slots__ = ("left", "right")

    def __getstate__(self):
        return self.left, self.right

    def __setstate__(self, state):
        self.left, self.right = state


@public
class Built(object):
    def __new__(cls, *args):
        made = object.__new__(cls)
        made.args = args
        return made

    def __getnewargs__(self):
        return self.args


@public
class ListOfMine(list):
    pass


@public
class DictOfMine(dict):
    pass


if not PY2:
    @public
    class BuiltByKeyword(object):
        def __new__(cls, *args, **kwargs):
            made = object.__new__(cls)
            made.made_from = (args, kwargs)
            return made

        def __getnewargs_ex__(self):
            return self.made_from


def hexed(data):
    return hexlify(data).decode("ascii")


def describe(value, seen=None):
    """The same words as `describe` in python.rs: exact types, entries sorted, repeats numbered."""
    seen = {} if seen is None else seen
    if value is None:
        return "None"
    if isinstance(value, bool):
        return "bool:%d" % value
    if PY2 and type(value) is long:
        return "long:%d" % value
    if type(value) in integers:
        return "int:%d" % value
    if type(value) is float:
        return "float:" + repr(value)
    if type(value) is bytes:
        return "bytes:" + hexed(value)
    if type(value) is text:
        return "text:" + hexed(value.encode("utf-8") if PY2 else value.encode("utf-8", "surrogatepass"))
    if type(value) is bytearray:
        return "bytearray:" + hexed(bytes(value))
    if type(value) is tuple:
        return "(" + " ".join(describe(item, seen) for item in value) + ")"
    if isinstance(value, type) or PY2 and isinstance(value, types.ClassType):
        return "class:%s.%s" % (value.__module__, value.__name__)
    if id(value) in seen:
        return "#%d" % seen[id(value)][0]
    seen[id(value)] = len(seen), value  # kept, so that its id is not used again
    if type(value) is list:
        return "[" + " ".join(describe(item, seen) for item in value) + "]"
    if type(value) is dict:
        return entries(value, seen)
    if type(value) in (set, frozenset):
        return type(value).__name__ + "(" + " ".join(sorted(describe(item) for item in value)) + ")"
    if type(value).__module__ != "dormouse_probe" and not isinstance(value, (Old, OldWithArguments)):
        return "repr:%r" % (value,)
    words = ["object:" + value.__class__.__name__]
    if isinstance(value, list):
        words.append("[" + " ".join(describe(item, seen) for item in value) + "]")
    if isinstance(value, dict):
        words.append(entries(value, seen))
    if isinstance(value, Slotted):
        words.append(describe((value.left, value.right), seen))
    else:
        words.append(describe(value.__dict__, seen))
    return " ".join(words)


def entries(value, seen):
    words = sorted((describe(key), key) for key in value)
    return "{" + " ".join(word + "=" + describe(value[key], seen) for word, key in words) + "}"


def plain():
    """Values made of types that have a node of their own."""
    u = lambda words: words.encode("ascii").decode("raw-unicode-escape")
    yield None
    for value in True, False, 0, 1, -1, 255, 256, 65535, 65536, 2**31 - 1, -2**31, 2**31, 2**40, 2**62, -2**63:
        yield value
    if PY2:
        for value in 0, 1, -1, 127, 128, -128, -129, 2**63, 2**70, -2**70, 2**2040:
            yield long(value)
    else:
        for value in 2**63, 2**70, -2**70, 2**2040:
            yield value
    for value in 0.0, -0.0, 0.1, 1.5, 1e15, 1e16, 1e17, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308:
        yield value
    yield float("inf")
    yield float("-inf")
    yield float("nan")
    for value in b"", b"a", b"it's", b'it\'s "q"', b"a\\n\n\r\t\x00\x7f\x80\xff", bytes(bytearray(range(256))) * 3:
        yield value
    for value in u(""), u("a"), u("\\u00e9\\u0100\n\r\x00\x1a"), u("a\\x5cu0041"), u("\\U0001f600"), u("\\ud800x"), u("\\u20ac") * 300:
        yield value
    yield bytearray(b"a\xe9\x00")
    yield bytearray()
    yield ()
    yield (1,)
    yield (1, (2,), (3, 4), (5, 6, 7), (8, 9, 10, 11))
    yield []
    yield [1]
    yield list(range(2500))
    yield {}
    yield {b"a": 1}
    yield dict((number, str(number)) for number in range(2500))
    yield {None: 1, (1, 2): u("x"), b"k": [u("v")], 1.5: {}}
    yield set()
    yield set([1, 2, b"x"])
    yield frozenset([(1, 2), u("y")])
    shared = [1]
    yield [shared, shared, (shared, {b"k": shared})]
    twice = b"said twice"
    yield [twice, twice, u("said twice")]
    circle = []
    circle.append(circle)
    yield circle
    around = {}
    around[b"me"] = [around, (around,)]
    yield around
    through = []
    through.append((through,))
    yield through[0]
    yield New
    if PY2:
        yield Old


def opaque():
    """Instances, and types that are pickled as a call."""
    import collections
    import datetime
    for made in Old(), New():
        made.name = b"x"
        made.me = made
        yield made
        yield [made, made]
    empty = Old()
    yield empty
    if PY2:
        yield OldWithArguments(1, b"two")
    slotted = Slotted()
    slotted.left, slotted.right = 1, [2]
    yield slotted
    yield Built()
    yield Built(1, [2])
    for mine in ListOfMine(), ListOfMine([1, 2]), DictOfMine(), DictOfMine({b"a": 1}):
        mine.name = b"x"
        yield mine
    mine = ListOfMine([1, 2])
    mine.append(mine)
    yield mine
    mine = DictOfMine({b"a": 1})
    mine[b"me"] = mine
    yield mine
    yield collections.OrderedDict([(b"b", 1), (b"a", [2])])
    yield collections.defaultdict(list, {b"a": [1]})
    yield datetime.datetime(2024, 2, 29, 12, 30, 1)
    yield datetime.date(2024, 2, 29)
    yield complex(1, -2)
    yield ValueError("wrong", 1)
    yield len
    if not PY2:
        yield BuiltByKeyword(1, two=[2])


def can_be_pickled(value, protocol):
    # Before protocol 2 Python loses itself in a list or dict subclass that holds itself; before
    # protocol 4 keyword arguments of __new__ take a bound method, which is no class.
    if isinstance(value, (ListOfMine, DictOfMine)) and protocol < 2:
        items = value if isinstance(value, list) else value.values()
        return all(item is not value for item in items)
    return type(value).__name__ != "BuiltByKeyword" or protocol >= 4


def emit():
    for kind, values in ("plain", plain()), ("opaque", opaque()):
        for value in values:
            for protocol in range(3 if PY2 else pickle.HIGHEST_PROTOCOL + 1):
                if not can_be_pickled(value, protocol):
                    continue
                described = describe(value)
                for module in [pickle, slow_pickle] if PY2 else [pickle]:
                    print("\t".join([kind, str(protocol), hexed(module.dumps(value, protocol)), described]))


def check():
    for line in sys.stdin:
        data = unhexlify(line.strip().encode("ascii"))
        # What Python 3 wrote as bytes is a Python 2 str in the protocols that we write.
        if PY2:
            values = [pickle.loads(data), slow_pickle.loads(data)]
        else:
            values = [pickle.loads(data, encoding="bytes")]
        described = [describe(value) for value in values]
        assert len(set(described)) == 1, described
        print(described[0])


{"emit": emit, "check": check}[sys.argv[1]]()
