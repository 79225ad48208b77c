// Runs one script. Takes what it needs from the globals before the script can change them.
(function () {
  "use strict";
  const { parse, stringify } = JSON;
  const { hasOwn } = Object;
  const call = (f) => Function.prototype.call.bind(f);
  const replace = call(String.prototype.replace);
  const includes = call(String.prototype.includes);
  const match = call(RegExp.prototype.exec);
  const then = call(Promise.prototype.then);
  const text = String;
  const evaluate = globalThis.eval;
  const Missed = class {};
  const Refused = class extends TypeError {};

  const lines = [];
  let room = 0;
  let dropped = 0;
  let need = null;
  let outcome = "pending";
  let said = "";

  const shown = (value) => {
    try {
      if (typeof value === "string") return value;
      if (typeof value === "object" && value !== null && !(value instanceof Error)) {
        const json = stringify(value);
        if (typeof json === "string") return json;
      }
      return text(value);
    } catch {
      return "[cannot be shown]";
    }
  };

  const log = (...values) => {
    let line = "";
    for (let i = 0; i < values.length; i++) line += (i ? " " : "") + shown(values[i]);
    room -= line.length + 1;
    if (room < 0) dropped++;
    else lines[lines.length] = line;
  };

  const described = (error) => {
    try {
      if (!(error instanceof Error)) return shown(error);
      if (error instanceof Refused) return error.message;
      const place = match(/<input>:(\d+)/, text(error.stack));
      return text(error.name) + ": " + text(error.message) + (place ? " (line " + place[1] + ")" : "");
    } catch {
      return "the script threw something that cannot be shown";
    }
  };

  const proxy = (known, absent) => {
    const look = (ref) => {
      if (hasOwn(known, ref)) return true;
      if (hasOwn(absent, ref)) return false;
      need = ref;
      throw new Missed();
    };
    return new Proxy(known, {
      get: (_, ref) => (typeof ref === "string" && look(ref) ? known[ref] : undefined),
      has: (_, ref) => typeof ref === "string" && look(ref),
      set: () => false,
      defineProperty: () => false,
      deleteProperty: () => false,
    });
  };

  const checked = (key, value) => {
    if (typeof value === "number" && (value !== value || value === Infinity || value === -Infinity))
      throw new Refused("the result holds " + value + (key === "" ? "" : " under " + stringify(key)) + ", which is not JSON");
    return value;
  };

  // What is said goes out as it is: the library cannot take a string that was just put together from two.
  const say = (kind, value) => {
    outcome = need === null ? kind : "need";
    said = need === null ? value : stringify(need);
  };

  // Looking at every value makes writing five times slower, and is needed only when a null may have been a NaN.
  const written = (value) => {
    const json = stringify(value);
    return json !== undefined && !includes(json, "null") ? json : stringify(value, checked);
  };

  const finish = (value) => {
    const json = written(value);
    say("result", json === undefined ? "null" : json);
  };

  const fail = (error) => say("error", stringify(described(error)));

  const compiled = (source) => {
    let value;
    try {
      value = evaluate("(" + replace(source, /[\s;]+$/, "") + "\n)");
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      value = evaluate(source);
      if (typeof value !== "function") value = globalThis.main;
    }
    if (typeof value !== "function") throw new Refused("the script is not a function (steps, context) => …");
    return value;
  };

  globalThis.console = { log, info: log, warn: log, error: log, debug: log };

  const run = (source, args, limit) => {
    room = limit;
    try {
      const { steps, absent, context } = parse(args);
      const value = compiled(source)(proxy(steps, absent), context);
      if (value instanceof Promise) then(then(value, finish), undefined, fail);
      else finish(value);
    } catch (error) {
      fail(error);
    }
    return outcome;
  };

  return (what, source, args, limit) => {
    if (what === "run") return run(source, args, limit);
    if (what === "settled") return outcome;
    if (what === "said") return said;
    if (dropped) lines[lines.length] = "… " + dropped + " more lines were dropped";
    return stringify(lines);
  };
})();
