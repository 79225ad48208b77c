# ruff: noqa: E501
"""Hostile scripts by family. `%FOLDER%`, `%PORT%` and `%PID%` stand for the bait and the server's process.

Names that begin with `never: ` are those that would run for ever or take everything.
"""


def _family(kind: str, texts: list[str], form: str) -> dict[str, str]:
    return {f"{kind} {index}": form.replace("…", text) for index, text in enumerate(texts)}


# -- JavaScript

_STATEMENTS = "(steps, context) => { … }"
_VALUE = "(steps, context) => (…)"

_JS_LOOPS = [
    "for (;;);",
    "while (true) { Math.random(); }",
    "do { continue; } while (1);",
    "for (;;) { try { for (;;); } catch {} }",
    "for (;;) { try { for (;;); } finally { for (;;); } }",
    "const f = () => { for (;;); }; try { f(); } finally { f(); }",
    "let i = 0; while (i >= 0) i = (i + 1) % 7;",
    "label: for (;;) { for (;;) { continue label; } }",
    "const e = Date.now() + 1e9; while (Date.now() < e);",
    "for (const x of { [Symbol.iterator]: () => ({ next: () => ({ done: false }) }) });",
    "const [...all] = { *[Symbol.iterator]() { for (;;) yield; } };",
    "const g = (function* () { for (;;) yield 1; })(); for (const x of g);",
    "[1].sort(() => { for (;;); }); [2, 1].sort(() => { for (;;); });",
    "'x'.replace(/x/, () => { for (;;); });",
    "new Proxy({}, { get() { for (;;); } }).x;",
    "const o = { get x() { for (;;); } }; o.x;",
    "eval('for (;;);');",
    "new Function('for (;;);')();",
    "for (let i = 0n; ; i++);",
    "let s = 1n; for (;;) s = (s * 3n) % 1000007n;",
    "Array.from({ length: 1e15 }, () => 0);",
    "Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);",
    "Array.prototype.fill.call({ length: 2 ** 53 - 1 }, 1);",
    "'a'.repeat(1e6).split('').sort(() => { for (;;); });",
    "for (const k in new Proxy({}, { ownKeys() { for (;;); } }));",
    "class A { static { for (;;); } }",
    "console.log({ toJSON() { for (;;); } });",
    "console.log({ toString() { for (;;); }, toJSON() { return undefined; } });",
]
_JS_LATE = [
    "async () => { for (;;) await 1; }",
    "async () => { for (;;) await new Promise((r) => r()); }",
    "() => { const f = () => Promise.resolve().then(f); return f(); }",
    "() => new Promise((r) => { const f = () => queueMicrotask(f); f(); })",
    "() => Promise.resolve().then(() => { for (;;); })",
    "async () => { await null; for (;;); }",
    "() => ({ toJSON() { for (;;); } })",
    "() => ({ get x() { for (;;); } })",
    "() => new Proxy({}, { ownKeys() { for (;;); } })",
    "async function* g() { for (;;) yield 1; }\nasync () => { for await (const x of g()); }",
    "for (;;);",
    "(() => { for (;;); })()",
    "globalThis.main = null; while (1);",
]
_JS_MEMORY = [
    "const a = []; for (;;) a.push('x'.repeat(1000));",
    "const a = []; for (;;) a.push(a.slice());",
    "let s = 'x'; for (;;) s += s;",
    "let s = 'x'; for (;;) s = s + s.split('').join('y');",
    "const a = []; for (;;) a.push(new ArrayBuffer(1e6));",
    "const a = []; for (;;) a.push(new Uint8Array(1e6));",
    "const m = new Map(); for (let i = 0; ; i++) m.set(i, {});",
    "const s = new Set(); for (let i = 0; ; i++) s.add('k' + i);",
    "const o = {}; for (let i = 0; ; i++) o['k' + i] = i;",
    "let o = {}; for (;;) o = { o, p: [o] };",
    "let n = 1n; for (;;) n = n * n + 1n;",
    "const a = []; for (;;) a.push(() => a);",
    "const a = []; for (;;) a.push(Symbol('x'.repeat(100)));",
    "const a = []; for (;;) a.push(new RegExp('x'.repeat(100) + a.length));",
    "const a = []; for (;;) a.push(new Error('x'));",
    "const a = []; for (;;) a.push((function* () {})());",
    "const a = []; for (;;) a.push(new Promise(() => {}));",
    "const a = [1]; for (const x of a) a.push(x, x);",
    "for (;;) Promise.resolve().then(() => {});",
    "try { const a = []; for (;;) a.push('x'.repeat(1e5)); } catch { const b = []; for (;;) b.push('y'.repeat(1e5)); }",
    "for (;;) { try { const a = []; for (;;) a.push('x'.repeat(1e5)); } catch {} }",
]
_JS_SIZE = [
    "'x'.repeat(2 ** 29)", "'x'.repeat(2 ** 30)", "'x'.repeat(Infinity)", "'x'.padEnd(2 ** 30)", "'x'.padStart(1e9, 'ab')",
    "new Array(1e9).fill(0)", "new Array(2 ** 32 - 1).join('x')", "new ArrayBuffer(2 ** 33)", "new ArrayBuffer(2 ** 31)",
    "new Float64Array(2 ** 28)", "Array.from({ length: 1e9 })", "[...Array(1e9).keys()]", "2n ** 100000000n", "1n << 2000000000n",
    "'a,'.repeat(1e6).split(',')", "'x'.repeat(1e6).replace(/x/g, 'y'.repeat(1000))", "new Array(1e6).fill('x'.repeat(1000))",
    "JSON.stringify(new Array(3e6).fill(1))", "'x'.repeat(70000)", "new Array(20000).fill('abcd')", "Object.assign([], { length: 4294967295 })",
    "String.raw({ raw: { length: 1e9 } })", "'x'.repeat(1e6).normalize('NFKD').repeat(1000)", "new SharedArrayBuffer(2 ** 31)",
    "new Uint8Array(new ArrayBuffer(8, { maxByteLength: 2 ** 40 }))", "Array(1e6).fill().map(() => ({}))",
]  # fmt: skip
_JS_REGEX = [
    "/^(a+)+$/.test('a'.repeat(40) + 'b')",
    "/^(a|a)*$/.test('a'.repeat(40) + 'b')",
    "/^(a|aa)+$/.test('a'.repeat(60) + 'b')",
    "/(x+x+)+y/.test('x'.repeat(60))",
    "/^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60))",
    "/(.*)*\\1z/.test('ab'.repeat(40))",
    "/(?:(?:(?:a*)*)*)*b/.test('a'.repeat(40))",
    "/^(?=(a+)+$)/.test('a'.repeat(40) + '!')",
    "/(?<=(a+)+)b/.test('a'.repeat(40) + 'c')",
    "new RegExp('(' .repeat(50) + 'a+' + ')+'.repeat(50) + '$').test('a'.repeat(40) + 'b')",
    "'a'.repeat(50).match(/(a*)*(a*)*(a*)*b/)",
    "'a'.repeat(30000).replace(/(a+)+b/g, '')",
]
_JS_REGEX_ODD = [
    "new RegExp('(' .repeat(100000)).test('')", "new RegExp('a{1,1000000}').test('a')", "new RegExp('(?:a{1000}){1000}').test('a')",
    "/[/.test('')", "new RegExp('\\\\')", "new RegExp('a'.repeat(1e6)).test('b')", "/\\u{110000}/u.test('x')", "/(?<a>.)\\k<b>/u.test('x')",
]  # fmt: skip
_JS_DEEP = [
    "(function f() { return f(); })()",
    "(function f() { return f() + 1; })()",
    "(function f(...a) { return f(...a, 1); })()",
    "(() => { const a = () => b(); const b = () => a(); return a(); })()",
    "(() => { const o = { get x() { return this.x; } }; return o.x; })()",
    "(() => { const p = new Proxy({}, { get: (t, k, r) => r[k] }); return p.x; })()",
    "(() => { const o = { toString() { return `${this}`; } }; return `${o}`; })()",
    "(() => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a; })()",
    "(() => { let a = {}; for (let i = 0; i < 5000; i++) a = { a }; return a; })()",
    "(() => { let a = []; for (let i = 0; i < 70; i++) a = [a]; return a; })()",
    "(() => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a.flat(Infinity); })()",
    "JSON.parse('['.repeat(1e5))", "JSON.parse('['.repeat(5e4) + ']'.repeat(5e4))", "eval('('.repeat(1e4))", "eval('['.repeat(1e5))",
    "eval('!'.repeat(1e5) + '1')", "eval('a?'.repeat(3e4))", "eval('{'.repeat(3e4))", "eval('1+'.repeat(1e5) + '1')", "eval('f('.repeat(1e4))",
    "(class A { constructor() { new A(); } }, (function f() { new (class { constructor() { f(); } })(); })())",
    "[1].map(function f(x) { return [x].map(f); })",
    "(() => { const a = []; a.push(a); return a; })()",
    "(() => { const a = []; a[0] = a; return a.toString() + a.flat(Infinity); })()",
    "(function f() { try { f(); } finally { f(); } })()",
    "(function f() { try { return f(); } catch (e) { return f(); } })()",
]  # fmt: skip
_JS_ESCAPES = [
    "this.constructor.constructor('return process')()",
    "(function () { return this; })().process",
    "[].constructor.constructor('return this')().process.env",
    "({}).__proto__.constructor.constructor('return globalThis')()",
    "steps.constructor", "steps.__proto__", "Object.getPrototypeOf(steps)", "context.constructor.constructor('return process.env')()",
    "steps.a.constructor.constructor('return require')()('fs')",
    "(async () => {}).constructor('return process')()",
    "(function* () {}).constructor('yield process')().next()",
    "Reflect.construct(Function, ['return process'])()",
    "Reflect.get(globalThis, 'process')", "globalThis.process.mainModule.require('child_process').execSync('id')",
    "require('fs').readFileSync('%FOLDER%/file', 'utf8')", "require('child_process').execSync('touch %FOLDER%/pwned')",
    "process.env.STEPWELL_BAIT", "process.exit(1)", "process.kill(%PID%)", "process.binding('fs')", "os.exec(['id'])", "std.open('%FOLDER%/file')",
    "std.loadFile('%FOLDER%/file')", "std.getenv('STEPWELL_BAIT')", "std.exit(0)", "loadScript('%FOLDER%/file')", "scriptArgs", "print('x')",
    "fetch('http://127.0.0.1:%PORT%/')", "new XMLHttpRequest()", "new WebSocket('ws://127.0.0.1:%PORT%/')", "new Worker('x')", "importScripts('x')",
    "Deno.readTextFileSync('%FOLDER%/file')", "Bun.file('%FOLDER%/file')", "navigator.sendBeacon('http://127.0.0.1:%PORT%/')",
    "setTimeout('for(;;);')", "setInterval(() => {}, 0)", "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
    "Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0)", "WebAssembly.instantiate(new Uint8Array())", "new ShadowRealm()",
    "Error.prepareStackTrace = (e, s) => s[0].getThis(), new Error().stack", "(() => { Error.prepareStackTrace = (e, s) => s.map((f) => f.getFunction()); return new Error('x').stack; })()",
    "(function f() { return f.caller; })()", "(function f() { return f.arguments; })()", "arguments.callee.caller", "new.target",
    "Object.getOwnPropertyNames(globalThis)", "Object.getOwnPropertyDescriptors(globalThis)", "console.constructor.constructor('return 1')()", "console.log.caller",
    "eval('import(\"fs\")')", "eval('import.meta')", "new Function('return import(\"os\")')()", "Object.prototype.__lookupGetter__('__proto__').call(steps)",
    "Array.from(document.cookie)", "window.location", "java.lang.Runtime.getRuntime().exec('id')", "Packages.java.io.File", "Polyglot.eval('python', '1')",
    "__filename", "module.exports", "global.process", "self.postMessage(1)", "navigator.userAgent", "performance.now()", "quickjs", "os", "bjson.read(1)",
]  # fmt: skip
_JS_IMPORTS = [
    "async () => await import('os')", "async () => await import('std')", "async () => await import('%FOLDER%/file')",
    "async () => (await import('fs')).readFileSync('%FOLDER%/file')", "() => import('data:text/javascript,1')", "import fs from 'fs'; () => fs",
    "import * as os from 'os';\n() => os", "export default () => 1", "#!/bin/sh\n() => 1", "() => 1 //# sourceMappingURL=http://127.0.0.1:%PORT%/",
    "async () => { for (const m of ['os', 'std', 'qjs:os', 'qjs:std', 'node:fs']) { try { return await import(m) } catch {} } }",
]  # fmt: skip
_JS_POISON = [
    "Object.prototype.toJSON = function () { return 'x'; }; return { a: 1 };",
    "Object.prototype.toJSON = function () { for (;;); }; return { a: 1 };",
    "JSON.stringify = () => 'not json'; return { a: 1 };",
    "JSON.stringify = null; JSON.parse = null; return [1];",
    "Array.prototype[Symbol.iterator] = null; console.log('x'); return [1];",
    "Object.defineProperty(Array.prototype, '0', { set() { for (;;); } }); console.log('x'); return 1;",
    "Object.defineProperty(Array.prototype, '0', { set() { throw 1; } }); console.log('x'); return [];",
    "Object.defineProperty(Object.prototype, 'get', { value: () => 1 }); return steps.x;",
    "String.prototype.replace = RegExp.prototype.exec = null; throw new Error('x');",
    "RegExp.prototype.exec = () => { for (;;); }; throw new Error('x');",
    "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = null; return 1;",
    "Promise.prototype.then = () => { for (;;); }; return Promise.resolve(1);",
    "Promise.prototype.constructor = null; return Promise.resolve(1);",
    "Promise.prototype.constructor = { [Symbol.species]: function () { for (;;); } }; return Promise.resolve(1);",
    "globalThis.Promise = class {}; return 1;", "globalThis.Error = null; null.x;", "globalThis.Object = null; return steps.q;",
    "globalThis.eval = globalThis.Function = null; return 1;", "console.log = null; console.log('x');", "delete globalThis.console; console.log(1);",
    "for (const k of Object.getOwnPropertyNames(globalThis)) { try { delete globalThis[k]; } catch {} } return { a: [1] };",
    "for (const k of Object.getOwnPropertyNames(globalThis)) { try { globalThis[k] = null; } catch {} } throw 1;",
    "Symbol.prototype[Symbol.toPrimitive] = null; throw Symbol('x');", "Object.freeze(Object.prototype); Object.freeze(globalThis); return { a: 1 };",
    "Object.setPrototypeOf(Array.prototype, new Proxy({}, { get() { for (;;); }, set() { for (;;); } })); console.log('a'); return [];",
    "Error.stackTraceLimit = Infinity; (function f(n) { if (n) f(n - 1); else throw new Error('x'); })(500);",
    "Object.defineProperty(Error.prototype, 'name', { get() { for (;;); } }); throw new Error('x');",
    "Object.defineProperty(Error, Symbol.hasInstance, { value: () => { for (;;); } }); throw new Error('x');",
    "Error.prepareStackTrace = () => { for (;;); }; throw new Error('x');",
    "Error.prepareStackTrace = () => ({ toString() { for (;;); } }); throw new Error('x');",
]  # fmt: skip
_JS_THROWN = [
    "null", "undefined", "0", "NaN", "1n", "''", "Symbol('x')", "() => {}", "[]", "{}", "new Proxy({}, { get() { throw 1; } })",
    "new Proxy(function () {}, { get() { for (;;); } })", "{ toString() { for (;;); } }", "{ toString() { throw 1; } }", "{ toJSON() { throw 1; } }",
    "{ get message() { for (;;); } }", "{ get stack() { throw 1; } }", "Object.create(null)", "'\\ud800'", "'\\0'", "'x'.repeat(1e6)", "new Error('x'.repeat(1e6))",
    "Object.assign(new Error('x'), { stack: { toString() { for (;;); } } })", "Object.assign(new Error('x'), { name: 'y'.repeat(1e6) })",
    "Object.assign(new Error('x'), { message: { toString() { for (;;); } } })", "new AggregateError(new Array(1e5).fill(new Error('x')))",
    "new Error('x', { cause: new Error('y') })", "Object.setPrototypeOf(new Error('x'), null)", "Object.setPrototypeOf([], Error.prototype)", "globalThis", "steps", "context",
]  # fmt: skip
_JS_RESULTS = [
    "1n", "NaN", "Infinity", "[NaN]", "{ a: -Infinity }", "Object(1n)", "new Number(NaN)", "Symbol('x')", "() => 1", "new Map([[1, 2]])", "new Set([1])",
    "new WeakMap()", "new Date(NaN)", "/x/g", "new Error('x')", "new Proxy([], {})", "new Proxy({}, { get: () => 1 })", "Promise.resolve(1n)", "Promise.reject(1)",
    "{ then() { for (;;); } }", "{ then: 1 }", "{ then(r) { r(1); } }", "'\\ud800'", "'\\udfff\\ud800'", "'\\0'", "{ '\\ud800': '\\udc00' }", "{ '\\0': 1 }", "{ ['__proto__']: 1 }",
    "{ toJSON: () => undefined }", "{ toJSON: () => 1n }", "{ toJSON() { return this; } }", "[,,,]", "new Array(5)", "'\\u2028\\u2029'", "new Uint8Array(10)", "new ArrayBuffer(8)",
    "globalThis", "steps", "[steps, context]", "JSON", "Math", "new Boolean(false)", "-0", "1e308 * 10", "0.1 + 0.2", "{ get a() { throw new Error('x'); } }", "console",
    "'\\\\ud800'", "'\\\\\\ud800'", "'</script>'", "'\\x1b[31m'", "String.fromCharCode(...Array(1000).keys())", "new Proxy({}, { ownKeys: () => ['a'], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true, value: 1n }) })",
]  # fmt: skip
_JS_LOGS = [
    "for (;;) console.log('x');", "for (;;) console.log('x'.repeat(1e5));", "for (let i = 0; i < 1e4; i++) console.log(i);",
    "console.log('x'.repeat(1e6));", "console.log('\\ud800', '\\0', '\\x1b[2J');", "console.log(1n, Symbol('x'), () => 1, NaN, undefined);",
    "console.log({ get a() { throw 1; } });", "console.log(new Proxy({}, { get() { throw 1; } }));", "const a = []; a.push(a); console.log(a);",
    "console.log(...new Array(1e5).fill('x'));", "console.log({ toJSON: () => 1n });", "console.log(globalThis);", "console.log(steps, context);", "console.error('\\r\\n'.repeat(1000));",
]  # fmt: skip
_JS_STEPS = [
    "for (let i = 0; ; i++) steps['r' + i];", "steps['x'.repeat(1e5)];", "steps['\\0'];", "steps['\\ud800'];", "steps[''];", "for (;;) { try { steps.zz; } catch {} }",
    "steps.a = 1;", "delete steps.a;", "Object.defineProperty(steps, 'a', { get() { for (;;); } });", "Object.setPrototypeOf(steps, null);", "Object.freeze(steps);",
    "try { steps.unsent; } catch (e) { throw e; }", "try { steps.unsent; } catch (e) { return e.constructor.constructor('return process')(); }",
    "return 'hasOwnProperty' in steps;", "return steps['__proto__'];", "return steps['constructor'];", "return [...steps];", "return steps + '';",
]  # fmt: skip
_JS_TEXTS = [
    "", " ", ";", "()", "(", ")", "}) => {", "() => 1) + (2", "() => 1) ; for(;;); (", "\0", "() => '\0'", "\ufeff() => 1", "() => 1\u2028", "() => { '", "`", "/*", "<!-- x", "async",
    "class A {}", "with ({}) {}", "'use strict'; () => 010", "() => { 'use strict'; with ({}) {} }", "() => \u202e1", "(" * 5000, "[" * 60000, "() => " * 10000 + "1", "a." * 30000 + "b",
]  # fmt: skip

JAVASCRIPT = {
    **_family("never: loop", _JS_LOOPS, _STATEMENTS),
    **_family("never: late loop", _JS_LATE, "…"),
    **_family("never: memory", _JS_MEMORY, _STATEMENTS),
    **_family("size", _JS_SIZE, _VALUE),
    **_family("regex", _JS_REGEX, _VALUE),
    **_family("odd regex", _JS_REGEX_ODD, _VALUE),
    **_family("depth", _JS_DEEP, _VALUE),
    **_family("escape", _JS_ESCAPES, _VALUE),
    **_family("import", _JS_IMPORTS, "…"),
    **_family("poison", _JS_POISON, _STATEMENTS),
    **_family("thrown", _JS_THROWN, "(steps, context) => { throw (…); }"),
    **_family("result", _JS_RESULTS, _VALUE),
    **_family("logs", _JS_LOGS, _STATEMENTS),
    **_family("steps", _JS_STEPS, _STATEMENTS),
    **_family("text", _JS_TEXTS, "…"),
}

# -- Python

_BODY = "def main(steps, context):\n    …"
_RETURN = "def main(steps, context):\n    return …"

_PY_LOOPS = [
    "while True: pass",
    "while True:\n        try:\n            while True: pass\n        except BaseException: pass",
    "while True:\n        try:\n            1 / 0\n        except Exception: continue",
    "try:\n        while True: pass\n    finally:\n        while True: pass",
    "for i in range(10 ** 18): pass",
    "return sum(range(10 ** 12))",
    "return [i for i in range(10 ** 12) if False]",
    "return any(x < 0 for x in range(10 ** 12))",
    "return max(range(10 ** 12))",
    "return list(filter(lambda x: False, range(10 ** 12)))",
    "return -1 in map(lambda x: x, range(10 ** 12))",
    "eval('[0 for _ in range(10 ** 12) if False]')",
    "exec('while True: pass')",
    "x = [1]\n    while x: x = x[:] + [1] if len(x) < 1000 else [1]",
    "return sorted([3, 2, 1] * 10, key=lambda x: sum(range(10 ** 12)))",
    "x = 3\n    while True: x = x * x % 1000003",
    "return all(map(lambda x: True, range(10 ** 12)))",
    "import time\n    while True: time.sleep(1)",
    "import time\n    e = time.time() + 10 ** 9\n    while time.time() < e: pass",
    "import random\n    while True: random.random()",
    "import re\n    while True: re.match('a', 'b')",
    "import json\n    while True: json.loads('[1]')",
]
_PY_MEMORY = [
    "x = []\n    while True: x.append('a' * 1000)",
    "x = [0]\n    while True: x = x + x",
    "x = 'a'\n    while True: x += x",
    "x = b'a'\n    while True: x += x",
    "x = {}\n    i = 0\n    while True:\n        x[i] = [i]\n        i += 1",
    "x = set()\n    i = 0\n    while True:\n        x.add(i)\n        i += 1",
    "x = ()\n    while True: x = (x, x, 1, 2, 3)",
    "x = [1]\n    for y in x: x.extend([y] * 100)",
    "x = 2\n    while True: x = x * x",
    "x = 7\n    while True: x = x << 100000",
    "x = []\n    while True: x.append(lambda: x)",
    "x = []\n    while True: x.append({'a': x})",
    "x = ''\n    while True: x = f'{x}{x}y'",
    "x = 'y'\n    while True: x = '%s%s' % (x, x)",
    "x = 'y'\n    while True: x = x.replace('y', 'yy')",
    "x = ['a']\n    while True: x = ','.join(x * 2).split(',') * 2",
    "class A: pass\n    x = []\n    while True:\n        a = A()\n        a.x = x\n        x.append(a)",
    "x = []\n    while True:\n        try:\n            while True: x.append('a' * 10000)\n        except MemoryError: pass",
    "from collections import deque\n    x = deque()\n    while True: x.append('a' * 1000)",
    "import re\n    x = []\n    while True: x.append(re.compile('a' * 100 + str(len(x))))",
]
_PY_SIZE = [
    "'a' * 10 ** 9", "b'a' * 10 ** 10", "[0] * 10 ** 10", "(0,) * 10 ** 10", "list(range(10 ** 10))", "10 ** 10 ** 8", "2 ** 10 ** 10", "1 << 10 ** 11", "pow(7, 10 ** 9)",
    "'a'.zfill(10 ** 10)", "'a'.ljust(10 ** 10)", "'a'.center(10 ** 10)", "'%1000000000d' % 1", "f'{1:1000000000}'", "'{:1000000000}'.format(1)", "int('9' * 10 ** 6)", "str(10 ** 10 ** 5)",
    "bytes(10 ** 10)", "bytearray(10 ** 10)", "'a'.join(['b' * 1000] * 10 ** 6)", "'a' * 70000", "['abcd'] * 20000", "{i: i for i in range(10 ** 8)}", "{i for i in range(10 ** 8)}",
    "'a'.expandtabs(10 ** 10)", "'\\t'.expandtabs(10 ** 10)", "'ab'.replace('', 'x' * 10 ** 6) * 1000", "list('a' * 10 ** 8)", "sorted([0] * 10 ** 7)", "repr(['a' * 1000] * 10 ** 5)",
    "[[0] * 10 ** 4 for _ in range(10 ** 4)]", "'x' * (2 ** 63)", "'x' * -1", "[1] * (2 ** 62)", "range(10 ** 30)", "len(range(10 ** 30))", "10 ** 4000", "hex(1 << 10 ** 7)", "10.0 ** 400", "1e308 * 10",
]  # fmt: skip
_PY_REGEX = [
    "'^(a+)+$', 'a' * 40 + 'b'", "'^(a|a)*$', 'a' * 40 + 'b'", "'(x+x+)+y', 'x' * 60", "r'(.*)*\\1z', 'ab' * 40", "'(?:(?:a*)*)*b', 'a' * 40", "r'^(?=(a+)+$)', 'a' * 40 + '!'",
    "'(' * 10000, ''", "'a{1,1000000}', 'a'", "'(?:a{1000}){1000}', 'a'", "'[', ''", "'a' * 10 ** 6, 'b'", "r'(a*)*(a*)*(a*)*b', 'a' * 50", "r'(?P<a>.)(?P=b)', 'x'", "r'(?<=(a+)+)b', 'aab'",
]  # fmt: skip
_PY_DEEP = [
    "def f(): return f()\n    return f()", "def f(x): return f([x])\n    return f([])", "f = lambda: f()\n    return f()", "def f():\n        try: return f()\n        except RecursionError: return f()\n    return f()",
    "def f():\n        try: f()\n        finally: f()\n    f()", "x = []\n    for _ in range(100000): x = [x]\n    return x", "x = {}\n    for _ in range(5000): x = {'a': x}\n    return x",
    "x = []\n    for _ in range(70): x = [x]\n    return x", "x = []\n    x.append(x)\n    return x", "x = []\n    x.append(x)\n    return repr(x)", "x = []\n    x.append(x)\n    return x == x",
    "a, b = [], []\n    a.append(b)\n    b.append(a)\n    return a == b", "x = {}\n    x['x'] = x\n    return x", "x = []\n    for _ in range(100000): x = [x]\n    return repr(x)", "x = []\n    for _ in range(100000): x = (x,)\n    return hash(x)",
    "import json\n    return json.loads('[' * 100000)", "import json\n    return json.loads('[' * 50000 + ']' * 50000)", "return eval('(' * 100000)", "return eval('-' * 100000 + '1')", "return eval('+'.join(['1'] * 100000))", "return eval('[' * 500 + ']' * 500)",
    "return sorted([[[]]], key=lambda x: sorted([x], key=lambda y: main(steps, context)))", "return main(steps, context)", "class A:\n        def __repr__(self): return repr(self)\n    return repr(A())", "class A:\n        def __eq__(self, o): return self == o\n    return A() == A()",
    "class A:\n        def __getitem__(self, k): return self[k]\n    return A()[0]", "x = []\n    for _ in range(100000): x = [x]\n    print(x)", "import copy\n    x = []\n    for _ in range(100000): x = [x]\n    return copy.deepcopy(x)",
]  # fmt: skip
_PY_ESCAPES = [
    "().__class__.__bases__[0].__subclasses__()", "''.__class__.__mro__[1].__subclasses__()", "type(1).__subclasses__(type)", "main.__globals__", "main.__code__", "main.__code__.co_consts", "main.__closure__", "(lambda: 0).__globals__",
    "(lambda: 0).__code__.replace(co_code=b'')", "[].__reduce_ex__(2)", "{}.__class__.__base__", "steps.__class__", "steps.__dict__", "steps.__init__.__globals__", "context.__class__", "print.__self__", "len.__self__.__dict__", "__builtins__", "__import__('os').system('id')",
    "__loader__", "__spec__", "__file__", "__name__", "globals()", "locals()", "vars()", "dir()", "getattr(main, '__globals__')", "getattr(getattr((), '__class__'), '__base__')", "setattr(int, 'x', 1)", "type('A', (), {})()", "type('A', (object,), {'__del__': 1})", "object.__subclasses__()",
    "compile('1', 'x', 'exec')", "eval('__import__(\"os\")')", "exec('import os; os.system(\"id\")')", "eval('main.__globals__')", "input()", "breakpoint()", "exit()", "quit()", "help()", "memoryview(b'x')", "open('%FOLDER%/file').read()", "open('%FOLDER%/pwned', 'w').write('x')",
    "open('/proc/self/environ').read()", "open('/etc/passwd').read()", "open(0).read()", "open(1, 'w').write('x')", "open('/dev/mem', 'rb').read(1)", "'{0.__class__.__base__}'.format(main)", "'{0.__globals__}'.format(main)", "f'{main.__globals__}'", "'%(x)s' % {'x': main.__globals__}",
    "(x for x in ()).gi_frame.f_back.f_globals", "(1 / 0).__traceback__", "NotImplemented.__class__", "Ellipsis.__class__.__base__", "super().__init__", "classmethod(main).__func__", "property(main).fget.__globals__", "str.format('{0.__class__}', 1)", "__Steps", "__call", "__given", "__arguments", "__json", "__text",
]  # fmt: skip
_PY_IMPORTS = [
    "os", "sys", "subprocess", "socket", "ctypes", "builtins", "importlib", "io", "pathlib", "shutil", "tempfile", "signal", "threading", "multiprocessing", "asyncio", "mmap", "resource", "fcntl", "pty", "pickle", "marshal", "code", "inspect", "gc", "types", "platform", "urllib.request",
    "http.client", "ssl", "select", "posix", "_io", "_ctypes", "pydantic_monty", "stepwell", "stepwell.steps.sandbox", "quickjs", "jq", "site", "traceback", "linecache", "runpy", "zipimport", "webbrowser", "antigravity", "this", ".", "os.path", "encodings", "atexit", "faulthandler",
]  # fmt: skip
_PY_USES = [
    "import os\n    os.system('touch %FOLDER%/pwned')", "import os\n    return os.environ['STEPWELL_BAIT']", "import os\n    return dict(os.environ)", "import os\n    return os.getenv('STEPWELL_BAIT')", "import os\n    return os.listdir('%FOLDER%')", "import os\n    os.remove('%FOLDER%/file')",
    "import os\n    os.mkdir('%FOLDER%/new')", "import os\n    os.rename('%FOLDER%/file', '%FOLDER%/x')", "import os\n    os.fork()", "import os\n    while True: os.fork()", "import os\n    os.kill(%PID%, 9)", "import os\n    os.write(1, b'x' * 100)", "import os\n    os.close(0)", "import os\n    os.dup2(1, 0)",
    "import os\n    os.execv('%FOLDER%/program', ['x'])", "import os\n    os._exit(0)", "import os\n    os.abort()", "import os\n    os.chmod('%FOLDER%/file', 0)", "import os\n    os.symlink('/etc', '%FOLDER%/x')", "import os\n    return os.getcwd()", "import os\n    os.chdir('%FOLDER%')", "import os\n    return os.urandom(10 ** 9)",
    "import sys\n    sys.exit(0)", "import sys\n    return sys.modules['os']", "import sys\n    return sys._getframe().f_back", "import sys\n    sys.stdout.write('x' * 100)", "import sys\n    sys.stdout = None", "import sys\n    sys.setrecursionlimit(10 ** 9)", "import sys\n    return sys.path", "import sys\n    return sys.argv", "import sys\n    return sys.stdin.read()",
    "from pathlib import Path\n    return Path('%FOLDER%/file').read_text()", "from pathlib import Path\n    Path('%FOLDER%/pwned').write_text('x')", "from pathlib import Path\n    return list(Path('/').iterdir())", "from pathlib import Path\n    Path('%FOLDER%/file').unlink()", "import asyncio\n    asyncio.run(asyncio.create_subprocess_shell('id'))",
    "import asyncio\n    return asyncio.gather(asyncio.sleep(10 ** 9))", "import time\n    time.sleep(10 ** 9)", "import datetime\n    return datetime.datetime.max + datetime.timedelta(1)", "import json\n    json.dumps = None\n    return [1]", "import json\n    json.dumps = lambda *a, **k: 'not json'\n    return [1]", "import io\n    return io.open('%FOLDER%/file').read()",
]  # fmt: skip
_PY_RAISED = [
    "BaseException('x')", "SystemExit(0)", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration", "MemoryError('x')", "RecursionError", "TimeoutError('feed time limit exceeded')", "MemoryError('memory limit exceeded')", "Exception('x' * 10 ** 6)", "KeyError('__self')",
    "Exception('\\ud800')", "Exception('\\x00')", "Exception(main)", "1", "None", "'x'", "Exception", "Exception('a', 'b')", "ValueError([])", "OSError(1, 'x')", "UnicodeDecodeError('a', b'', 0, 1, 'x')", "NotImplementedError", "AssertionError('name \\'main\\' is not defined')",
]  # fmt: skip
_PY_RESULTS = [
    "float('nan')", "float('inf')", "[float('-inf')]", "{'a': float('nan')}", "{1, 2}", "frozenset()", "b'x'", "bytearray(b'x')", "main", "lambda: 1", "print", "int", "Exception('x')", "range(5)", "iter([1])", "...", "NotImplemented", "complex(1, 2)", "1j", "{(1, 2): 3}", "{None: 1}", "{b'x': 1}", "'\\ud800'", "['\\udfff\\ud800']",
    "{'\\ud800': 1}", "'\\x00'", "'\\u2028'", "steps", "[steps, context]", "steps.keys()", "context.items()", "zip([1], [2])", "map(str, [1])", "enumerate([1])", "-0.0", "10 ** 400", "True", "slice(1)", "type", "[[]] * 1000", "{'a': {'b': ({},)}}", "'\\U0001f600'", "__name__", "'\\\\ud800'",
]  # fmt: skip
_PY_LOGS = [
    "while True: print('x')", "while True: print('x' * 10 ** 5)", "while True: print('x', end='')", "for i in range(10000): print(i)", "print('x' * 10 ** 6)", "print('\\ud800', '\\x00', '\\x1b[2J')", "print(main, print, steps, context)", "print('\\n' * 100000)", "print(sep='x', end='\\r\\n')", "print('x', file=1)",
    "print('x', file=open('%FOLDER%/pwned', 'w'))", "print(*range(10 ** 5))", "print(10 ** 10 ** 4)",
]  # fmt: skip
_PY_STEPS = [
    "i = 0\n    while True:\n        steps.get('r%d' % i)\n        i += 1", "return steps['x' * 10 ** 5]", "return steps['\\x00']", "return steps['\\ud800']", "return steps['']", "return steps[None]", "return steps[5]", "return steps[steps]", "while True:\n        try: steps['zz' + 'y']\n        except KeyError: pass",
    "steps['a'] = 1", "del steps['a']", "steps.known = None\n    return steps['q' + 'q']", "steps.need = 'a'", "steps.need = 5", "steps.need = 'x' * 10 ** 6", "steps.absent = {'zz': 1}\n    return 'zz' in steps", "steps.__class__ = int", "return list(steps)", "context.clear()\n    return context", "steps.need = steps",
]  # fmt: skip
_PY_TEXTS = [
    "", " ", "\0", "def main(:", "def main", "main = 5", "main = print", "main = lambda s, c: 1", "def main(): pass", "def main(a, b, c): pass", "async def main(s, c): return 1", "class main:\n    pass", "def main(s, c):\n    yield 1", "def main(s, c):\n\treturn 1\n        return 2", "\ufeffdef main(s, c): pass",
    "import os\nos.system('id')", "while True: pass", "x = 'a' * 10 ** 10", "1 / 0", "raise SystemExit", "from __future__ import braces", "# coding: utf-7\n+AG8-", "(" * 5000, "[" * 30000, "x = " * 10000 + "1", "a." * 20000 + "b", "if 1:\n" * 1000, "'" * 60001, "__call = None\ndef main(s, c): pass", "__call = [lambda *a: '{', 1, 2]\ndef main(s, c): pass",
    "__call = [lambda *a: 'x' * 10 ** 6, 1, 2]\ndef main(s, c): pass", "@main\ndef main(s, c): pass", "global x", "return 1", "await 1", "def main(s, c): return __call[0](1)", "exec('def main(s, c): return 5')", "match 1:\n    case 1: pass\ndef main(s, c): pass", "type X = int", "def main[T](s, c): pass", "print('x' * 10 ** 6)\ndef main(s, c): pass",
]  # fmt: skip

PYTHON = {
    **_family("never: loop", _PY_LOOPS, _BODY),
    **_family("never: memory", _PY_MEMORY, _BODY),
    **_family("size", _PY_SIZE, _RETURN),
    **_family("regex", _PY_REGEX, "import re\ndef main(steps, context):\n    return bool(re.search(…))"),
    **_family("depth", _PY_DEEP, _BODY),
    **_family("escape", _PY_ESCAPES, _RETURN),
    **_family("import", _PY_IMPORTS, "import …\ndef main(steps, context):\n    return str(…)"),
    **_family("use", _PY_USES, _BODY),
    **_family("raised", _PY_RAISED, "def main(steps, context):\n    raise …"),
    **_family("result", _PY_RESULTS, _RETURN),
    **_family("logs", _PY_LOGS, _BODY),
    **_family("steps", _PY_STEPS, _BODY),
    **_family("text", _PY_TEXTS, "…"),
}

# -- JQ

_JQ_NEVER = [
    "last(repeat(1))", "def f: f; f", "def f: 1 + f; f", "[repeat(1)]", "reduce range(1e18) as $i (0; . + 1)", "until(false; .)", "last(range(infinite))", "def f: [f]; f", "[range(1e12)]", "[limit(1e12; repeat(\"x\"))]",
    "reduce range(1e9) as $i (\"x\"; . + .)", "reduce range(1e9) as $i ([]; [., .])", "last(recurse(.))", "def f(x): f(x | x); f(.)", "label $f | repeat(1) | select(false)",
]  # fmt: skip
_JQ_ODD = [
    "env", "$ENV", "$ENV.STEPWELL_BAIT", "env.STEPWELL_BAIT", "input", "[inputs]", "input_filename", "import \"a\" as a; 1", "include \"%FOLDER%/file\"; 1", "import \"%FOLDER%/file\" as $x; $x", "\"%FOLDER%/file\" | modulemeta", "get_search_list", "halt", "halt_error", "\"x\" | halt_error(1)", "debug", "stderr",
    "nan", "infinite", "[nan]", "1e1000", "\"x\" * 1e9", "\"x\" * 1000000000000", "[range(1e6)]", "\"a\" * 40 | test(\"^(a+)+$\")", "(\"a\" * 40 + \"b\") | test(\"^(a+)+$\")", "(\"a\" * 40 + \"b\") | test(\"(a|a)*$\")", "error", "error(null)", "error({a: 1})", "error(\"x\" * 100000)", "\"\\u0000\"", "\"\\ud800\"", ".[\"a\"][1e10]",
    "[.[]?] | .[1e9] = 1", ".a[1e8] = 1", "getpath([range(10000) | \"a\"])", "setpath([range(20000) | \"a\"]; 1)", "reduce range(20000) as $i (1; [.])", "tojson | fromjson", "\"[\" * 20000 | fromjson", "@sh", "@json", "@base64d", "splits(\"a\")", "ltrimstr(1)", "$__prog_args", "$__loc__", "input_line_number", "now | strftime(\"%c\")",
    "\"x\" | strptime(\"%Y\")", "1e18 | todate", "", " ", "|", ".a |", "(" * 5000, "[" * 20000, "." * 20000, "\0", "def f: reduce .[] as [$x] (0; $x); f", "limit(-1; 1)", "first(empty)", "splits", "builtins | length", "ascii", "@text \"\\(.)\"", "getpath(1)", "implode", "[1e9] | implode", "[-1] | implode", "\"\" | explode", "tojson * 100000",
]  # fmt: skip

JQ = {**_family("never: endless", _JQ_NEVER, "…"), **_family("odd", _JQ_ODD, "…")}
