import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { byteLengthOf } from '../store.ts';

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** The body. */
  readonly parts: readonly Uint8Array[];
}

/** Connections to one server, kept open between requests. */
export class HttpClient {
  readonly #agent: HttpAgent;
  readonly #request: typeof requestHttp;
  readonly #idleMs: number;

  /** @param idleMs after so long without a byte either way a request fails with ETIMEDOUT */
  constructor(server: URL, connections: number, idleMs: number) {
    const isSecure = server.protocol === 'https:';
    const options = { keepAlive: true, maxSockets: connections };
    this.#agent = isSecure ? new HttpsAgent(options) : new HttpAgent(options);
    this.#request = isSecure ? requestHttps : requestHttp;
    this.#idleMs = idleMs;
  }

  /** Resolves when the head of the answer is there. Rejects with the error of the system. */
  send({ method, url, headers, parts }: HttpRequest): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      // Without it Node sends chunks of lengths of their own, which S3 servers refuse.
      const length = method === 'PUT' && { 'content-length': String(byteLengthOf(parts)) };
      const request = this.#request(url, {
        method,
        agent: this.#agent,
        headers: { ...headers, ...length },
      });
      let answer: IncomingMessage | undefined;
      request.on('error', reject);
      request.on('response', (response) => {
        answer = response;
        resolve(new HttpAnswer(response));
      });
      request.setTimeout(this.#idleMs, () => (answer ?? request).destroy(idleError(this.#idleMs)));
      writeAll(request, parts);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function writeAll(request: ClientRequest, parts: readonly Uint8Array[]): void {
  // Together in as few system calls as may be, and without a copy.
  request.cork();
  for (const part of parts) if (part.length > 0) request.write(part);
  request.end();
  request.uncork();
}

function idleError(ms: number): Error {
  return Object.assign(new Error(`nothing came for ${ms / 1000} s`), { code: 'ETIMEDOUT' });
}

/** What a server answered. Its body must be read or dropped, else the connection stays taken. */
export class HttpAnswer {
  readonly status: number;
  readonly #message: IncomingMessage;

  constructor(message: IncomingMessage) {
    this.status = message.statusCode!;
    this.#message = message;
  }

  header(name: string): string | undefined {
    const value = this.#message.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** The bytes that the body has, or after HEAD would have; undefined where the server does not say. */
  get length(): number | undefined {
    const text = this.header('content-length');
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  }

  /** The body, which must have `length` bytes. Rejects with ECONNRESET where it has fewer. */
  async bytes(length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    for await (const chunk of this.#message as AsyncIterable<Buffer>) {
      if (filled + chunk.length > length) throw brokenOff(`its body is longer than ${length} bytes`);
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    if (filled < length) throw brokenOff(`its body has ${filled} bytes of ${length}`);
    return bytes;
  }

  /** The body as UTF-8, of which no more than `limit` bytes are read; the rest is dropped. */
  async text(limit: number): Promise<string> {
    const chunks: Buffer[] = [];
    let filled = 0;
    for await (const chunk of this.#message as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      filled += chunk.length;
      if (filled > limit) break;
    }
    return Buffer.concat(chunks).subarray(0, limit).toString('utf8');
  }

  /** Gives the connection up, with what is still to come. */
  drop(): void {
    this.#message.on('error', () => {}).destroy();
  }
}

function brokenOff(state: string): Error {
  return Object.assign(new Error(state), { code: 'ECONNRESET' });
}
