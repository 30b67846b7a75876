// Sends one webhook: to an address that is the public's, and to no other. The name is looked up once; every address that it leads to has to
// be allowed; and the connection goes to the very address that was looked at, so that a name which leads elsewhere a moment later (DNS
// rebinding) changes nothing. Redirects are not followed, and what comes back is bounded in length and time.

import { lookup } from 'node:dns/promises'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { type BlockList, isIP } from 'node:net'
import { ConfigurationError, WebhookFailedError, WebhookRefusedError } from '../../errors.ts'
import { isAllowedAddress, listOf } from './public-address.ts'
import type { WebhookHeaders } from './webhook-signature.ts'

export interface WebhookSenderOptions {
  /** Networks that may be sent to although they are not the public's: `['127.0.0.0/8']` in development. Default: none. */
  readonly allow?: readonly string[] | undefined
  /** May an address be plain http? Default false. */
  readonly allowHttp?: boolean | undefined
  /** For the whole of one attempt, in milliseconds. Default 15,000. */
  readonly timeoutMs?: number | undefined
  /** Certificates of authorities that are trusted beside the usual ones, as PEM. */
  readonly ca?: string | undefined
  /** All the addresses of a name. Default: the system's own resolver. */
  readonly resolve?: ((hostname: string) => Promise<readonly string[]>) | undefined
}

/** What came back. */
export interface WebhookAnswer {
  readonly status: number
}

const urlLengthMax = 2_048
/** Of an answer's body, which nobody reads. Past it the connection is ended. */
const answerBytesMax = 65_536
const addressesMax = 32

export class WebhookSender {
  readonly #allowed: BlockList
  readonly #allowHttp: boolean
  readonly #timeoutMs: number
  readonly #ca: string | undefined
  readonly #resolve: (hostname: string) => Promise<readonly string[]>

  /** @throws {ConfigurationError} */
  constructor({ allow = [], allowHttp = false, timeoutMs = 15_000, ca, resolve }: WebhookSenderOptions = {}) {
    if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > 600_000) {
      throw new ConfigurationError(`timeoutMs of webhooks is ${timeoutMs}; it may be 1 to 600,000.`)
    }
    this.#allowed = listOf(allow)
    this.#allowHttp = allowHttp
    this.#timeoutMs = timeoutMs
    this.#ca = ca
    this.#resolve = resolve ?? (async (hostname) => (await lookup(hostname, { all: true, verbatim: true })).map(({ address }) => address))
  }

  /**
   * Could it be sent there, as things are now?
   *
   * @throws {WebhookRefusedError} for an address that is not https, names a user, or leads to what is not the public's.
   * @throws {WebhookFailedError} for a name that leads nowhere.
   */
  async check(address: string): Promise<void> {
    await this.#addressOf(this.#urlOf(address))
  }

  /**
   * Sends it once.
   *
   * @throws {WebhookRefusedError} as {@link check}. {@link WebhookFailedError} with `details.status` when the answer is not 2xx, or without
   * when there is none in time.
   */
  async send(address: string, body: string, headers: WebhookHeaders, signal?: AbortSignal): Promise<WebhookAnswer> {
    const url = this.#urlOf(address)
    const deadline = AbortSignal.timeout(this.#timeoutMs)
    const ended = signal === undefined ? deadline : AbortSignal.any([deadline, signal])
    const to = await settledBefore(this.#addressOf(url), ended)
    const answer = await this.#post(url, { to, body, headers, signal: ended })
    if (answer.status >= 200 && answer.status < 300) return answer
    throw new WebhookFailedError(`The endpoint of a webhook answered with status ${answer.status}.`, { details: { status: answer.status } })
  }

  #urlOf(address: string): URL {
    const url = typeof address === 'string' && address.length <= urlLengthMax ? URL.parse(address) : null
    if (url === null) throw new WebhookRefusedError(`The address of a webhook is no URL of at most ${urlLengthMax} characters.`)
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && this.#allowHttp)) {
      throw new WebhookRefusedError('The address of a webhook is not https.')
    }
    if (url.username !== '' || url.password !== '') throw new WebhookRefusedError('The address of a webhook names a user. Leave it out.')
    return url
  }

  /** The one address that is connected to. */
  async #addressOf(url: URL): Promise<string> {
    const name = url.hostname.replace(/^\[(.*)\]$/, '$1')
    const addresses = isIP(name) === 0 ? await this.#lookUp(name) : [name]
    const [first] = addresses
    if (first === undefined) throw new WebhookFailedError('The name in the address of a webhook leads nowhere.')
    // One that is refused among others refuses all: who mixes them has something in mind.
    if (addresses.length > addressesMax || !addresses.every((each) => isAllowedAddress(each, this.#allowed))) {
      throw new WebhookRefusedError('The address of a webhook leads to a network that is not the public’s.')
    }
    return first
  }

  async #lookUp(name: string): Promise<readonly string[]> {
    try {
      return await this.#resolve(name)
    } catch (error) {
      throw new WebhookFailedError('The name in the address of a webhook could not be looked up.', { cause: error })
    }
  }

  async #post(url: URL, { to, body, headers, signal }: Posting): Promise<WebhookAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<WebhookAnswer>()
    const failed = (error: unknown): void =>
      reject(new WebhookFailedError('The endpoint of a webhook could not be reached.', { cause: error }))
    try {
      const family = isIP(to)
      const request: ClientRequest = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
        method: 'POST',
        // A connection of its own: none that was opened to another address.
        agent: false,
        family,
        // Whatever name is asked for, this is the answer.
        lookup: (_name, { all }, callback) => {
          if (all === true) callback(null, [{ address: to, family }])
          else callback(null, to, family)
        },
        ca: this.#ca,
        signal,
        maxHeaderSize: 16_384,
        headers: {
          ...headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'partywall-webhooks',
        },
      })
      request.once('error', failed)
      request.once('response', (response) => readEnd(response, { resolve, failed }))
      request.end(body)
    } catch (error) {
      failed(error)
    }
    return await promise
  }
}

interface Posting {
  readonly to: string
  readonly body: string
  readonly headers: WebhookHeaders
  readonly signal: AbortSignal
}

/** Waits for the end of an answer, but for no more of it than is its bound: what counts is its status. */
function readEnd(
  response: IncomingMessage,
  { resolve, failed }: { readonly resolve: (answer: WebhookAnswer) => void; readonly failed: (error: unknown) => void },
): void {
  const answer: WebhookAnswer = { status: response.statusCode ?? 0 }
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength
    if (bytes <= answerBytesMax) return
    resolve(answer)
    response.destroy()
  })
  response.once('end', () => resolve(answer))
  response.once('error', failed)
  response.once('close', () => failed(undefined))
}

async function settledBefore<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const ended = new Promise<never>((_, reject) => {
    const end = (): void => reject(new WebhookFailedError('The time for a webhook was over before its name was looked up.'))
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
  return await Promise.race([promise, ended])
}
