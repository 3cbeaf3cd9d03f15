// What a data-integration client does with the REST API, in plain Node: it pushes the rows of another
// system into a data source, with their files, and pulls rows back. It ends with an error at the first
// outcome that is not as documented.
//
//	node integration.mjs URL TOKEN ORGANIZATION

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

const [base, token, organization] = process.argv.slice(2);
let requests = 0;

// call sends one request, and returns the status and the body. A body that is no form is JSON.
async function call(method, path, body, headers = { 'Auth-token': token }) {
  const init = { method, headers: { 'User-Agent': 'integration-test/1', ...headers } };
  if (body instanceof FormData) {
    init.body = body;
  } else if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(`${base}/${path}`, init);
  const text = await answer.text();
  requests++;
  const type = answer.headers.get('Content-Type') ?? '';
  return { status: answer.status, headers: answer.headers, text, json: type.includes('json') ? JSON.parse(text) : undefined };
}

// must is call for a request that succeeds with a status, and returns the body.
async function must(status, method, path, body) {
  const answer = await call(method, path, body);
  assert.equal(answer.status, status, `${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.json ?? answer.text;
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const same = (a, b) => Object.keys(a).every((column) => JSON.stringify(a[column]) === JSON.stringify(b[column]));

// differences compares the rows of the other system with the entries that were read.
function differences(rows, entries, key) {
  const remote = new Map(entries.map((entry) => [entry.data[key], entry]));
  const changes = { entries: [], delete: [] };
  for (const row of rows) {
    const entry = remote.get(row[key]);
    remote.delete(row[key]);
    if (entry === undefined) {
      changes.entries.push({ data: row });
    } else if (!same(row, entry.data)) {
      changes.entries.push({ id: entry.id, data: row });
    }
  }
  changes.delete = [...remote.values()].map((entry) => entry.id);
  return changes;
}

// push makes a data source hold the rows of the other system, in one commit, and returns what
// the commit answered; undefined when there was nothing to do.
async function push(source, rows) {
  const { entries } = await must(200, 'GET', `v1/data-sources/${source}/data`);
  const changes = differences(rows, entries, 'Sku');
  if (changes.entries.length === 0 && changes.delete.length === 0) {
    return undefined;
  }
  const body = { append: true, extend: true, entries: changes.entries, runHooks: [] };
  if (changes.delete.length > 0) {
    body.delete = changes.delete;
  }
  return must(200, 'POST', `v1/data-sources/${source}/commit`, body);
}

// The token, and one that nobody knows.
const { user } = await must(200, 'GET', 'v1/user');
assert.deepEqual([user.email, user.fullName, user.auth_token], ['dora@example.org', 'Dora Data', token]);
const refused = await call('GET', 'v1/user', undefined, { 'Auth-token': 'eu--nobody' });
assert.equal(refused.status, 401);
assert.ok(refused.json.message);
assert.equal((await call('GET', 'v1/user', undefined, { Authorization: `Bearer ${btoa(token)}` })).status, 200);

// Two data sources, one of them with what was there before.
const create = async (name, more) => (await must(201, 'POST', `v1/data-sources?organizationId=${organization}`, { name, ...more })).dataSource;
const open = [{ type: ['select', 'insert', 'update', 'delete', 'count'], allow: { tokens: [7] } }];
const products = await create('Products', { accessRules: open, columns: ['Sku', 'Name', 'Price'] });
const orders = await create('Orders', { accessRules: open });
await must(200, 'POST', `v1/data-sources/${products.id}/data`, { entries: [
  { Sku: 'A1', Name: 'Anvil', Price: 10, Note: 'kept by extend' },
  { Sku: 'B2', Name: 'Bolt', Price: 2 },
  { Sku: 'C3', Name: 'Cog', Price: 3 },
] });
const listed = await must(200, 'GET', `v1/data-sources?organizationId=${organization}`);
assert.deepEqual(listed.dataSources.map((s) => s.name), ['Products', 'Orders']);

// The first push updates one row, adds one, and deletes one.
const rows = [
  { Sku: 'A1', Name: 'Anvil', Price: 12.5 },
  { Sku: 'B2', Name: 'Bolt', Price: 2 },
  { Sku: 'D4', Name: 'Dowel', Price: 0.1, Sizes: ['S', 'M'] },
];
const first = await push(products.id, rows);
assert.equal(first.entries.length, 3, 'the commit answers with the whole data source');
assert.deepEqual(first.entries.find((e) => e.data.Sku === 'A1').data, { Sku: 'A1', Name: 'Anvil', Price: 12.5, Note: 'kept by extend' });
assert.deepEqual(first.entries.find((e) => e.data.Sku === 'D4').data, rows[2]);
const versions = async () => (await must(200, 'GET', `v1/data-sources/${products.id}/versions`)).versions.length;
const before = await versions();
assert.equal(await push(products.id, rows), undefined, 'a second push has nothing to do');
assert.equal(await versions(), before);

// What cannot be is refused as a whole, with a message to show.
const wrong = await call('POST', `v1/data-sources/${products.id}/commit`, { append: true, entries: [{ data: { Sku: 'X' } }, { id: 999999, data: { Sku: 'Y' } }] });
assert.equal(wrong.status, 400);
assert.ok(wrong.json.message.length > 0);
assert.equal(await versions(), before);

// Files: a folder, and what is in it by checksum, so that nothing is sent twice.
const { organizations } = await must(200, 'GET', 'v1/organizations/');
assert.deepEqual(organizations.map((o) => String(o.id)), [organization]);
await must(200, 'GET', `v1/media/?organizationId=${organization}`);
const folder = await must(201, 'POST', 'v1/media/folders', { name: 'Pictures', organizationId: Number(organization) });
const picture = new Uint8Array(100_000).map((_, i) => i * 7);
async function upload(name, bytes) {
  const { files } = await must(200, 'GET', `v1/media?folderId=${folder.id}&organizationId=${organization}`);
  const known = files.find((f) => f.metadata.checksum === sha256(bytes) || f.metadata.clientChecksum === sha256(bytes));
  if (known !== undefined) {
    return known;
  }
  const form = new FormData();
  form.append('files', new Blob([bytes], { type: 'image/png' }), name);
  form.append('checksum', sha256(bytes));
  const answer = await must(201, 'POST', `v1/media/files?folderId=${folder.id}&name=${encodeURIComponent(name)}&organizationId=${organization}`, form);
  return answer.files[0];
}
const file = await upload('anvil ü.png', picture);
assert.deepEqual([file.name, file.mediaFolderId], ['anvil ü.png', folder.id]);
assert.equal((await upload('anvil ü.png', picture)).id, file.id, 'the file is known by its checksum');
const content = await fetch(new URL(file.url, base), { headers: { 'Auth-token': token } });
assert.equal(content.status, 200);
assert.deepEqual(new Uint8Array(await content.arrayBuffer()), picture);
rows[0].Picture = file.url;
rows[0].PictureMediaFileId = file.id;
const second = await push(products.id, rows);
assert.equal(second.entries.find((e) => e.data.Sku === 'A1').data.PictureMediaFileId, file.id);

// An entry that is sent as a form, with a file of its own.
const form = new FormData();
form.append('Sku', 'E5');
form.append('Name', 'Eyelet');
form.append('Manual', new Blob(['read me']), 'manual.txt');
const entry = await must(201, 'PUT', `v1/data-sources/${products.id}/data`, form);
assert.equal(entry.data.Sku, 'E5');
const manual = await fetch(new URL(entry.data.Manual, base), { headers: { 'Auth-token': token } });
assert.equal(await manual.text(), 'read me');
assert.equal((await fetch(new URL(entry.data.Manual, base))).status, 401, 'files are not open to all');

// A store of keys is a data source of a type of its own, found without a context.
const keystores = async () => (await must(200, 'GET', 'v1/data-sources?type=keystore')).dataSources;
assert.deepEqual(await keystores(), []);
const { dataSource: keystore } = await must(201, 'POST', 'v1/data-sources', { name: 'Keys', type: 'keystore', organizationId: Number(organization) });
assert.deepEqual((await keystores()).map((s) => s.id), [keystore.id]);

// Pulls.
await must(200, 'POST', `v1/data-sources/Orders/data?append=true`, { entries: [
  { Sku: 'A1', Count: 2, Status: 'open' }, { Sku: 'A1', Count: 1, Status: 'open' }, { Sku: 'D4', Count: 50, Status: 'sent' }, { Sku: 'A1', Count: 2, Status: 'open' },
] });
const pull = async (source, query) => (await must(200, 'POST', `v1/data-sources/${source}/data/query`, query)).entries;
assert.deepEqual((await pull('Orders', { where: { Status: 'open', Count: { $gt: 1 } }, attributes: ['Sku', 'Count'], distinct: true })).map((e) => e.data), [{ Sku: 'A1', Count: 2 }]);
const joined = await pull(products.id, {
  where: { Sku: { $in: ['A1', 'B2', 'D4'] } },
  attributes: ['Sku'],
  join: {
    OpenOrders: { dataSourceId: orders.id, on: { 'data.Sku': 'data.Sku' }, where: { Status: 'open' } },
    Ordered: { dataSourceName: 'Orders', on: { 'data.Sku': 'data.Sku' }, sum: 'Count' },
  },
});
assert.deepEqual(joined.map((e) => [e.data.Sku, e.joins?.OpenOrders?.length ?? 0, e.joins?.Ordered ?? 0]), [['A1', 3, 5], ['B2', 0, 0], ['D4', 0, 50]]);
assert.deepEqual((await pull(products.id, { where: { Sku: 'nothing' } })), []);

// A table that is sent whole replaces what is there, and can be brought back.
const last = (await must(200, 'GET', `v1/data-sources/${orders.id}/versions?limit=1`)).versions[0].id;
await must(200, 'POST', `v1/data-sources/${orders.id}/data`, { entries: [] });
assert.deepEqual((await must(200, 'GET', `v1/data-sources/${orders.id}/data`)).entries, []);
const undo = (await must(200, 'GET', `v1/data-sources/${orders.id}/versions?limit=1`)).versions[0].id;
assert.ok(undo > last);
const restored = await must(200, 'POST', `v1/data-sources/${orders.id}/versions/${undo}/restore`);
assert.equal(restored.entries.length, 4);

console.log(`done after ${requests} requests`);
