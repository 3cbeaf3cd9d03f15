// The world of a script (spec 11.7). This runs first, in a fresh realm, and takes hold of all
// that it will need: from the call of the script on, nothing that a script can reach is used.
(function () {
	'use strict';
	const G = globalThis;
	const find = G.$find, left = G.$left, done = G.$done;
	const { ownKeys, deleteProperty, defineProperty, apply } = Reflect;
	const { parse, stringify } = JSON;
	const { isArray } = Array;
	const { getOwnPropertyDescriptor, hasOwn } = Object;
	const { isFinite } = Number;
	const text = String, Failure = TypeError, P = Promise;
	const AsyncFunction = (async function () {}).constructor;

	const keep = new Set([
		'Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError', 'InternalError',
		'AggregateError', 'Array', 'Object', 'Function', 'Iterator', 'parseInt', 'parseFloat', 'isNaN', 'isFinite',
		'decodeURI', 'decodeURIComponent', 'encodeURI', 'encodeURIComponent', 'escape', 'unescape', 'Infinity', 'NaN',
		'undefined', 'eval', 'Number', 'Boolean', 'String', 'Math', 'Reflect', 'Symbol', 'globalThis', 'BigInt', 'Date',
		'RegExp', 'JSON', 'Proxy', 'Map', 'Set', 'WeakMap', 'WeakSet', 'ArrayBuffer', 'Uint8ClampedArray', 'Int8Array',
		'Uint8Array', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'BigInt64Array', 'BigUint64Array',
		'Float16Array', 'Float32Array', 'Float64Array', 'DataView', 'Promise', Symbol.toStringTag,
	]);
	for (const name of ownKeys(G)) {
		if (!keep.has(name) && !deleteProperty(G, name)) {
			throw new Failure('the world cannot be cleaned');
		}
	}

	// A Proxy must not pass for the object that a script returns, and cannot be told from it but
	// by remembering it. Proxy is reached in no other way than by its name.
	const Real = Proxy, proxies = new WeakSet(), { add, has } = WeakSet.prototype;
	const isProxy = (v) => apply(has, proxies, [v]);
	const remember = (p) => {
		apply(add, proxies, [p]);
		return p;
	};
	const Fake = function Proxy(target, handler) {
		if (new.target === undefined) {
			throw new Failure('Proxy must be called with new');
		}
		return remember(new Real(target, handler));
	};
	Fake.prototype = undefined;
	const revocable = Real.revocable;
	defineProperty(Fake, 'revocable', {
		value(target, handler) {
			const made = apply(revocable, Real, [target, handler]);
			remember(made.proxy);
			return made;
		},
		writable: true, configurable: true,
	});
	defineProperty(G, 'Proxy', { value: Fake, writable: true, configurable: true });

	// In a where everything counts: a value that has no JSON text would silently be left out of
	// it, or become null, and it would then match more than its author meant.
	const exact = (key, v) => {
		if (v === undefined || typeof v === 'function' || typeof v === 'symbol' || typeof v === 'number' && !isFinite(v)) {
			throw new Failure(`the where has no value at "${text(key)}"`);
		}
		return v;
	};
	const own = (object, key) => {
		const d = getOwnPropertyDescriptor(object, key);
		return d !== undefined && hasOwn(d, 'value') ? d.value : undefined;
	};

	// verdict is the text of what a script returned, as far as it counts: only an object of its own
	// whose own property granted is true grants, and only lists of its own limit columns. What
	// would limit them in another way is an error, so that nothing is granted without its limits.
	// An object that the script was given does not grant: callers may send granted as a column.
	const given = new WeakSet();
	const verdict = (value) => {
		switch (typeof value) {
		case 'string': case 'number': case 'boolean':
			return stringify(value);
		case 'object':
			break;
		default:
			return '';
		}
		if (value === null || apply(has, given, [value]) || isProxy(value) || isArray(value) || own(value, 'granted') !== true) {
			return value === null ? 'null' : '{"granted":false}';
		}
		return '{"granted":true' + limit(value, 'include') + limit(value, 'exclude') + '}';
	};
	const limit = (value, key) => {
		if (!(key in value)) {
			return '';
		}
		const list = own(value, key);
		if (list === null || list === undefined && hasOwn(value, key) && hasOwn(getOwnPropertyDescriptor(value, key), 'value')) {
			return '';
		}
		const json = typeof list === 'object' && isArray(list) && !isProxy(list) ? stringify(list) : undefined;
		if (typeof json !== 'string') {
			throw new Failure(`${key} must be a list of columns`);
		}
		return `,"${key}":${json}`;
	};
	const message = (e) => {
		try {
			return text(e);
		} catch {
			return 'something was thrown that has no text';
		}
	};

	// Reading other data sources. Calls wait in the host and are settled by settle.
	let calls = 0;
	const waiting = { __proto__: null };
	const settle = (id, ok, json) => {
		const { resolve, reject } = waiting[id];
		delete waiting[id];
		if (ok) {
			resolve(json);
		} else {
			reject(new Failure(json));
		}
	};
	const read = async (source, options, one) => {
		let where = {}, limit = 100, offset = 0;
		if (options !== undefined) {
			if (typeof options !== 'object' || options === null) {
				throw new Failure('find takes an object');
			}
			if ('where' in options) {
				where = options.where;
			}
			if (options.limit !== undefined) {
				limit = options.limit;
			}
			if (options.offset !== undefined) {
				offset = options.offset;
			}
		}
		if (typeof where !== 'object' || where === null) {
			throw new Failure('where must be an object');
		}
		if (typeof source !== 'string' && typeof source !== 'number') {
			throw new Failure('a data source is asked for by its id or name');
		}
		if (typeof limit !== 'number' || typeof offset !== 'number') {
			throw new Failure('limit and offset must be numbers');
		}
		const id = ++calls;
		const answer = new P((resolve, reject) => {
			waiting[id] = { __proto__: null, resolve, reject };
			find(id, stringify(source), stringify(where, exact), one ? '1' : stringify(limit), stringify(offset));
		});
		return parse(await answer);
	};
	const DataSources = (idOrName) => ({
		find: (options) => read(idOrName, options, false),
		findOne: async (options) => {
			const found = await read(idOrName, options, true);
			return found.length > 0 ? found[0] : null;
		},
	});

	const give = (value) => {
		if (typeof value === 'object' && value !== null) {
			apply(add, given, [value]);
		}
		return value;
	};

	return function start(source, type, flags, user, entry, texts) {
		// The objects are kept here one by one: what a script does to the array does not matter.
		const list = flags === 'l' || flags === 'lw', strict = flags === 'w' || flags === 'lw';
		const query = parse(texts);
		const count = query.length;
		const objects = { __proto__: null };
		for (let i = 0; i < count; i++) {
			objects[i] = give(query[i]);
		}
		const columns = user === '' ? undefined : give(parse(user));
		const stored = entry === '' ? undefined : give(parse(entry));
		if (stored !== undefined) {
			give(stored.data);
		}
		const body = new AsyncFunction('type', 'user', 'query', 'entry', 'DataSources', source);
		const run = async () => {
			try {
				const value = await body(type, columns, list ? query : objects[0], stored, DataSources);
				const returned = verdict(value);
				for (let i = 0; i < count; i++) {
					const json = strict ? stringify(objects[i], exact) : stringify(objects[i]);
					if (typeof json !== 'string') {
						throw new Failure('query was left without a value');
					}
					left(json);
				}
				done(returned);
			} catch (e) {
				done('', message(e));
			}
		};
		run();
		return settle;
	};
})()
