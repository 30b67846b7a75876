// One request to Vault: bounded in time, size and tries, and silent about what is secret.

import { setTimeout as pause } from 'node:timers/promises'
import { ConfigurationError, SecretStoreError } from '../errors.ts'
import { checkBounds, withDeadline } from './deadline.ts'

export interface VaultRequestsOptions {
  /** Where Vault answers, e.g. `https://vault.example.com:8200`. Its certificate authority is Node's: see `NODE_EXTRA_CA_CERTS`. */
  readonly address: string
  /** Asked before every request, so that it may change: read it where an agent renews it. White space around it is cut. */
  readonly token: () => string | Promise<string>
  /** Namespace of Vault Enterprise, HCP or OpenBao. Default: none. */
  readonly namespace?: string | undefined
  /** For one try, and for the token before it, in milliseconds. Default 5,000, at most 600,000. */
  readonly timeoutMs?: number | undefined
  /** How often a request is tried when Vault is busy, sealed, standing by or not to be reached. Default 3, at most 100. */
  readonly triesMax?: number | undefined
  /** Before the second try, in milliseconds; it doubles with each further one, up to 5,000. Default 200. */
  readonly pauseMs?: number | undefined
}

export interface VaultRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below `/v1/`, of characters that need no escaping. */
  readonly path: string
  readonly query?: string
  readonly body?: unknown
}

const pauseMaxMs = 5_000
/** A folder of 100,000 names is some megabytes. */
const answerBytesMax = 16_777_216

/** What is worth another try: rate limits, a standby that is catching up, and whatever a server or proxy does while it restarts. */
const passing: ReadonlySet<number> = new Set([412, 429, 500, 502, 503, 504])

const reasons: Readonly<Record<number, string>> = {
  400: 'the request was not understood (a mount that asks for check-and-set is not written)',
  403: 'the token is not good, or its policy does not allow this',
  404: 'there is nothing mounted there',
  405: 'the path does not take this',
  412: 'a standby is behind',
  429: 'too many requests',
  503: 'it is sealed or under maintenance',
}

export class VaultRequests {
  readonly #base: URL
  readonly #options: VaultRequestsOptions
  readonly #timeoutMs: number
  readonly #triesMax: number
  readonly #pauseMs: number

  /** @throws {ConfigurationError} */
  constructor(options: VaultRequestsOptions) {
    const { namespace, timeoutMs = 5_000, triesMax = 3, pauseMs = 200 } = options
    checkBounds({ timeoutMs, triesMax, pauseMs })
    if (typeof options.token !== 'function') throw new ConfigurationError('token is a function that gives the token.')
    if (namespace !== undefined && !/^[\w.-]+(\/[\w.-]+)*\/?$/.test(namespace)) {
      throw new ConfigurationError('namespace is a path, as in "admin/team".')
    }
    this.#base = checkedAddress(options.address)
    this.#options = options
    this.#timeoutMs = timeoutMs
    this.#triesMax = triesMax
    this.#pauseMs = pauseMs
  }

  /**
   * @returns what was answered; undefined when there is nothing of that name.
   * @throws {SecretStoreError}
   */
  async send(request: VaultRequest): Promise<unknown> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#try(request)
      } catch (error) {
        if (!(error instanceof SecretStoreError) || !error.retryable || tries === this.#triesMax) throw error
        const retryAfterMs = Number(error.details['retryAfterMs'] ?? 0)
        await pause(Math.min(Math.max(this.#pauseMs * 2 ** (tries - 1), retryAfterMs), pauseMaxMs))
      }
    }
  }

  async #try(request: VaultRequest): Promise<unknown> {
    const { method, path, body, query } = request
    const url = new URL(`v1/${path}`, this.#base)
    url.search = query ?? ''
    const headers = await this.#headers(body !== undefined)
    const text = body === undefined ? null : JSON.stringify(body)
    const signal = AbortSignal.timeout(this.#timeoutMs)
    let response: Response
    let answer: unknown
    try {
      // A redirect would take the token to wherever it points.
      response = await fetch(url, { method, headers, body: text, signal, redirect: 'manual' })
      answer = await readJson(response)
    } catch (error) {
      throw signal.aborted
        ? failed(request, `no answer within ${this.#timeoutMs} ms`, { retryable: true })
        : failed(request, `no connection (${codeOf(error)})`, { retryable: true })
    }
    if (response.status === 200 || response.status === 204) {
      if (response.status === 204 || answer !== undefined) return answer ?? {}
      throw failed(request, 'the answer is no JSON, or too long', { retryable: false })
    }
    if (isNothing(response.status, answer)) return undefined
    throw refused(request, response)
  }

  async #headers(hasBody: boolean): Promise<Record<string, string>> {
    const token = await this.#token()
    const { namespace } = this.#options
    return {
      'X-Vault-Token': token,
      // An agent may ask for this one: a page in a browser cannot send it.
      'X-Vault-Request': 'true',
      ...(namespace === undefined ? {} : { 'X-Vault-Namespace': namespace }),
      ...(hasBody ? { 'Content-Type': 'application/json' } : {}),
    }
  }

  async #token(): Promise<string> {
    let token: string
    try {
      const tooLate = () => new SecretStoreError(`Vault: the token cannot be had (nothing within ${this.#timeoutMs} ms).`)
      token = (await withDeadline(this.#timeoutMs, async () => this.#options.token(), tooLate)).trim()
    } catch (error) {
      if (error instanceof SecretStoreError) throw error
      // Whose error that is, and what it has in it, is not known.
      throw new SecretStoreError(`Vault: the token cannot be had (${codeOf(error)}).`)
    }
    // A header that cannot be sent is an error that has the header in it.
    if (/^[\x21-\x7e]{1,8192}$/.test(token)) return token
    throw new SecretStoreError('Vault: the token is empty, or no token.', { retryable: false })
  }
}

/** For a name that is not there Vault answers 404 with no errors, or with the metadata of a deleted version. */
function isNothing(status: number, answer: unknown): boolean {
  if (status !== 404 || typeof answer !== 'object' || answer === null) return false
  if ('errors' in answer) return Array.isArray(answer.errors) && answer.errors.length === 0
  return 'data' in answer
}

/** @returns undefined for what is no JSON, and for what is too long. */
async function readJson(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > answerBytesMax) return undefined
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    // The parser's error quotes what it read.
    return undefined
  }
}

function refused(request: VaultRequest, response: Response): SecretStoreError {
  const { status, headers } = response
  const isRedirect = status >= 300 && status < 400
  const reason = isRedirect ? 'it redirects, which is not followed: give the address of the active node' : reasons[status]
  const seconds = Number(headers.get('retry-after'))
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : undefined
  return failed(request, `status ${status}${reason === undefined ? '' : `, ${reason}`}`, {
    // While a cluster chooses its active node, the others redirect.
    retryable: isRedirect || passing.has(status),
    details: { status, retryAfterMs },
  })
}

function failed(
  { method, path }: VaultRequest,
  why: string,
  { retryable, details }: { readonly retryable: boolean; readonly details?: Readonly<Record<string, unknown>> },
): SecretStoreError {
  return new SecretStoreError(`Vault: ${method} ${path}: ${why}.`, { retryable, details: { method, path, ...details } })
}

/** The name of what went wrong, as in ECONNREFUSED or HTTPParserError, and nothing else of it. */
function codeOf(error: unknown): string {
  let innermost = 'unknown'
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException
    for (const word of [code, cause.name])
      if (typeof word === 'string' && /^[A-Za-z][A-Za-z0-9_]{2,63}$/.test(word)) {
        innermost = word
        break
      }
  }
  return innermost
}

const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

function checkedAddress(address: string): URL {
  const url = URL.parse(address)
  if (url === null || (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopbackHosts.has(url.hostname)))) {
    throw new ConfigurationError('address is not an https address. Over plain http anybody on the way reads the secrets.')
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new ConfigurationError('address is a scheme, a host, a port and perhaps a path; nothing else.')
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}
