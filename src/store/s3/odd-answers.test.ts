/** What the store makes of answers that a real server gives rarely, or never should. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { isTransient } from '../store.ts';
import { openS3Store, type S3Store } from './s3-store.ts';

const KEYS = { accessKey: 'THE-ACCESS-KEY', secretKey: 'the-secret-key', sessionToken: 'the-session-token' };
const RANGE = { range: { offset: 2, length: 4 } };
const BYTES = [Buffer.from('0123'), Buffer.from('456789')];

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A store on a server that answers all about objects, and listings, by `handler`; the bucket is there. */
async function storeOn(t: TestContext, handler: Handler, idleMs = 5_000): Promise<S3Store> {
  const server = createServer((request, response) => {
    if (request.method === 'HEAD' && request.url === '/bucket') return void response.end();
    request.resume().on('end', () => handler(request, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  const store = await openS3Store({ endpoint, bucket: 'bucket', prefix: 'pre/fix', ...KEYS, idleMs });
  t.after(async () => {
    await store.close();
    server.closeAllConnections();
    server.close();
  });
  return store;
}

const answering =
  (status: number, body = '', headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    void response.writeHead(status, headers).end(body);
const code = (name: string) =>
  `<?xml version="1.0"?><Error><Code>${name}</Code><Message>THE-ACCESS-KEY</Message></Error>`;

async function errorOf(promise: Promise<unknown>): Promise<Error & { code: string; advice?: string }> {
  return promise.then(
    () => assert.fail('it resolved'),
    (error) => error,
  );
}

test('a put sends its length and is signed, over its bytes too unless they are many', async (t) => {
  const seen: IncomingMessage[] = [];
  const store = await storeOn(t, (request, response) => {
    seen.push(request);
    response.end();
  });
  await store.putIfAbsent('packs/00/a', BYTES);
  await store.replace('packs/00/b', []);
  await store.replace('packs/00/c', [Buffer.alloc(2 ** 20), Buffer.alloc(1)]);
  const [{ headers, url }, second, long] = seen as [IncomingMessage, IncomingMessage, IncomingMessage];
  assert.equal(url, '/bucket/pre/fix/packs/00/a');
  assert.equal(headers['content-length'], '10');
  assert.equal(headers['transfer-encoding'], undefined);
  assert.equal(headers['if-none-match'], '*');
  assert.equal(headers['x-amz-security-token'], KEYS.sessionToken);
  assert.match(
    headers.authorization!,
    /^AWS4-HMAC-SHA256 Credential=THE-ACCESS-KEY\/\d{8}\/us-east-1\/s3\/aws4_request, SignedHeaders=[a-z0-9;-]+, Signature=[0-9a-f]{64}$/,
  );
  assert.match(headers.authorization!, /SignedHeaders=[^,]*host;if-none-match;x-amz-content-sha256/);
  assert.equal(
    headers['x-amz-content-sha256'],
    '84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882',
  );
  assert.equal(second.headers['content-length'], '0');
  assert.equal(second.headers['if-none-match'], undefined);
  assert.equal(long.headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD');
});

test('what the server cannot do just now is transient, and no error shows a key', async (t) => {
  for (const status of [500, 503, 429]) {
    const store = await storeOn(t, answering(status, code('SlowDown')));
    for (const call of [
      () => store.putIfAbsent('a', BYTES),
      () => store.replace('a', BYTES),
      () => store.get('a'),
      () => store.get('a', RANGE),
      () => store.size('a'),
      () => store.delete('a'),
      () => store.deleteDurably(['a', 'b']),
      () => firstOf(store),
    ]) {
      const error = await errorOf(call());
      assert.ok(isTransient(error), error.message);
      assert.doesNotMatch(
        JSON.stringify([error.message, error]),
        /THE-ACCESS-KEY|the-secret-key|the-session/,
      );
    }
    assert.doesNotMatch(store.location, /KEY|key/);
  }
});

test('a server that goes away in the middle, or says nothing, is transient', async (t) => {
  const handlers: Handler[] = [
    (request) => request.socket.destroy(),
    (request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half');
      setImmediate(() => request.socket.destroy());
    },
    () => {},
    (_, response) => void response.writeHead(200, { 'content-length': '100' }).write('half'),
  ];
  for (const handler of handlers) {
    const store = await storeOn(t, handler, 50);
    const error = await errorOf(store.get('a'));
    assert.equal(error.code, 'io');
    assert.ok(isTransient(error), error.message);
  }
  const store = await storeOn(t, () => {}, 50);
  assert.match((await errorOf(store.replace('a', BYTES))).message, /nothing came for 0.05 s \(ETIMEDOUT\)/);
});

test('only NoSuchKey means that an object is missing', async (t) => {
  const missing = await storeOn(t, answering(404, code('NoSuchKey')));
  await assert.rejects(missing.get('a'), { code: 'object-missing' });
  await assert.rejects(missing.get('a', RANGE), { code: 'object-missing' });
  await assert.rejects(missing.size('a'), { code: 'object-missing' });
  await missing.delete('a');
  for (const body of [code('NoSuchBucket'), '<html>404</html>', '']) {
    const store = await storeOn(t, answering(404, body));
    for (const call of [
      () => store.get('a'),
      () => store.get('a', RANGE),
      () => store.delete('a'),
      () => firstOf(store),
    ]) {
      assert.equal((await errorOf(call())).code, 'io');
    }
  }
});

test('an object whose bucket is gone is not called missing by size', async (t) => {
  let isGone = false;
  const server = createServer((_, response) => void response.writeHead(isGone ? 404 : 200).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const store = await openS3Store({ endpoint, bucket: 'bucket', prefix: '', ...KEYS });
  t.after(async () => {
    await store.close();
    server.close();
  });
  isGone = true;
  await assert.rejects(store.size('a'), { code: 'io', message: /NoSuchBucket/, advice: /bucket/ });
});

test('412 means that the object exists, and 409 only if it does', async (t) => {
  const refused = await storeOn(t, answering(412, code('PreconditionFailed')));
  await assert.rejects(refused.putIfAbsent('a', BYTES), { code: 'object-exists' });
  for (const exists of [true, false]) {
    const store = await storeOn(t, ({ method }, response) => {
      if (method === 'HEAD') response.writeHead(exists ? 200 : 404, { 'content-length': '0' }).end();
      else response.writeHead(409).end(code('ConditionalRequestConflict'));
    });
    const error = await errorOf(store.putIfAbsent('a', BYTES));
    assert.equal(error.code, exists ? 'object-exists' : 'io');
    assert.equal(isTransient(error), !exists);
  }
});

test('a server without conditional puts is told from one that fails', async (t) => {
  const store = await storeOn(t, answering(501, code('NotImplemented')));
  await assert.rejects(store.putIfAbsent('a', BYTES), { code: 'unsupported' });
});

test('an answer that is not the range that was asked for is no object', async (t) => {
  const whole = await storeOn(t, answering(200, '0123456789'));
  await assert.rejects(whole.get('a', RANGE), { code: 'io', message: /not the range/ });
  for (const [range, body] of [
    ['bytes 0-3/10', '0123'],
    ['bytes 2-4/10', '234'],
    ['bytes 2-6/10', '23456'],
    ['', '2345'],
  ] as const) {
    const store = await storeOn(t, ({ method }, response) => {
      if (method === 'HEAD') response.writeHead(200, { 'content-length': '10' }).end();
      else response.writeHead(206, range === '' ? {} : { 'content-range': range }).end(body);
    });
    await assert.rejects(store.get('a', RANGE), { code: 'io', message: /not the range/ }, range);
  }
});

test('an object is called too short only where a second look says so', async (t) => {
  for (const [size, wanted] of [
    [3, 'damaged'],
    [10, 'io'],
  ] as const) {
    for (const status of [416, 206]) {
      const store = await storeOn(t, ({ method }, response) => {
        if (method === 'HEAD') response.writeHead(200, { 'content-length': String(size) }).end();
        else if (status === 416) response.writeHead(416).end(code('InvalidRange'));
        else response.writeHead(206, { 'content-range': 'bytes 2-2/3' }).end('2');
      });
      assert.equal((await errorOf(store.get('a', RANGE))).code, wanted, `${status} ${size}`);
    }
  }
});

test('an object above the limit is refused before its body is read', async (t) => {
  const store = await storeOn(t, (_, response) => {
    response.writeHead(200, { 'content-length': String(2 ** 40) }).write('the body never ends');
  });
  await assert.rejects(store.get('a', { limit: 100 }), { code: 'limit' });
  let asked = 0;
  const counted = await storeOn(t, () => {
    asked += 1;
  });
  await assert.rejects(counted.get('a', { limit: 3, ...RANGE }), { code: 'limit' });
  assert.equal(asked, 0);
});

test('an answer without a length is no object', async (t) => {
  const store = await storeOn(t, (_, response) => {
    response.writeHead(200).write('some');
    response.end('thing');
  });
  await assert.rejects(store.get('a'), { code: 'io', message: /how long/ });
});

test('a listing goes through all pages, keeps to names of objects, and ends with an error, never early', async (t) => {
  const page = (keys: readonly string[], next: string | undefined) =>
    `<ListBucketResult><IsTruncated>${next !== undefined}</IsTruncated>${keys
      .map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`)
      .join(
        '',
      )}${next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`}</ListBucketResult>`;
  const pages: Record<string, string> = {
    none: page(['pre/fix/index/a', 'pre/fix/index/B', 'pre/fix/', 'other/index/b'], 'one'),
    one: page(['pre/fix/index/c'], 'two'),
    two: page(['pre/fix/index/d', 'pre/fixed/index/e'], undefined),
  };
  const asked: URLSearchParams[] = [];
  const paging: Handler = ({ url }, response) => {
    const query = new URL(url!, 'http://host').searchParams;
    asked.push(query);
    response.end(pages[query.get('continuation-token') ?? 'none'] ?? code('Nothing'));
  };
  const store = await storeOn(t, paging);
  assert.deepEqual(await namesIn(store), ['index/a', 'index/c', 'index/d']);
  assert.equal(asked[0]!.get('prefix'), 'pre/fix/index/');
  assert.equal(asked[0]!.get('encoding-type'), 'url');
  for (const broken of [page(['pre/fix/index/c'], 'one'), page([], 'nowhere'), '']) {
    pages.one = broken;
    await assert.rejects(namesIn(store), { code: 'io' }, broken);
  }
});

test('a delete that fails ends the others, and its error is told once all have settled', async (t) => {
  let asked = 0;
  const store = await storeOn(t, (_, response) => {
    asked += 1;
    response.writeHead(asked === 20 ? 403 : 204).end();
  });
  const names = Array.from({ length: 500 }, (_, i) => `packs/00/${i}`);
  await assert.rejects(store.deleteDurably(names), { code: 'io' });
  const before = asked;
  assert.ok(before < 100, `${before} were asked for`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(asked, before);
});

async function namesIn(store: S3Store): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list('index/')) names.push(name);
  return names;
}

async function firstOf(store: S3Store): Promise<unknown> {
  for await (const object of store.list('')) return object;
  return undefined;
}
