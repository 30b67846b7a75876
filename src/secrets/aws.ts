// AWS Secrets Manager, through its own client.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/
//
// The client is loaded at the first call, so that nobody who does not use it needs it. Its errors are not passed on: they carry
// the answer that they were made of.

import { setTimeout as pause } from 'node:timers/promises'
import { checkedSecret, checkedSecretName, checkedSecretPrefix, isSecret, isSecretName, type SecretStore } from '../core/secret-store.ts'
import { ConfigurationError, SecretStoreError } from '../errors.ts'
import { checkBounds, withDeadline } from './deadline.ts'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  readonly expiration?: Date | undefined
}

export interface AwsSecretsOptions {
  /** Default: where the client finds it, e.g. in `AWS_REGION`. */
  readonly region?: string | undefined
  /** Default: the region's own, e.g. for a VPC endpoint. https; plain http only for loopback. */
  readonly endpoint?: string | undefined
  /** Default: where the client finds them: environment, profile, role of the container or the machine. */
  readonly credentials?: (() => Promise<AwsCredentials>) | undefined
  /** The folder that is partywall's: names begin with it and a slash. Default `partywall`. */
  readonly folder?: string | undefined
  /** The key that encrypts new secrets: its id, ARN or alias. Default: the account's own, `aws/secretsmanager`. */
  readonly kmsKeyId?: string | undefined
  /** For one call with all its tries and its credentials, and for each page of a list, in milliseconds. Default 15,000, at most 600,000. */
  readonly timeoutMs?: number | undefined
  /** How often a request is tried when the service is busy or not to be reached. Default 3, at most 100. */
  readonly triesMax?: number | undefined
  /** Between two tries to put what was deleted a moment ago, in milliseconds. Default 1,000, at most 60,000. */
  readonly pauseMs?: number | undefined
}

/**
 * Keeps each secret as the string of `<folder>/<name>`. `delete` is at once and for good (`ForceDeleteWithoutRecovery`).
 * `list` may lag behind by minutes, as the service's does. Needs the package `@aws-sdk/client-secrets-manager`.
 *
 * @throws {ConfigurationError} for a setting that is not valid; the first call, when the package is not installed.
 * @example
 * ```ts
 * const secrets = awsSecrets({ region: 'eu-central-1', folder: 'partywall/production' })
 * ```
 */
export function awsSecrets(options: AwsSecretsOptions = {}): SecretStore {
  return new AwsSecretStore(options)
}

/** Of one list: a million names. */
const pagesMax = 10_000

type Sdk = typeof import('@aws-sdk/client-secrets-manager')
type Client = InstanceType<Sdk['SecretsManagerClient']>

class AwsSecretStore implements SecretStore {
  readonly kind = 'aws'
  readonly #options: AwsSecretsOptions
  readonly #folder: string
  readonly #timeoutMs: number
  readonly #triesMax: number
  readonly #pauseMs: number
  #loading: Promise<{ readonly sdk: Sdk; readonly client: Client }> | undefined

  constructor(options: AwsSecretsOptions) {
    const { folder = 'partywall', timeoutMs = 15_000, triesMax = 3, pauseMs = 1_000 } = options
    checkBounds({ timeoutMs, triesMax, pauseMs })
    if (!isSecretName(folder)) throw new ConfigurationError('folder is a path of lower-case segments, as in "partywall".')
    if (options.endpoint !== undefined) refusePlainHttp(options.endpoint)
    this.#options = options
    this.#folder = folder
    this.#timeoutMs = timeoutMs
    this.#triesMax = triesMax
    this.#pauseMs = pauseMs
  }

  async get(name: string): Promise<string | undefined> {
    const SecretId = this.#idOf(name)
    const answer = await this.#call(`GetSecretValue ${SecretId}`, async ({ sdk, client }, options) => {
      return unlessMissing(client.send(new sdk.GetSecretValueCommand({ SecretId }), options))
    })
    if (answer === undefined) return undefined
    const { SecretString: value } = answer
    if (value !== undefined && isSecret(value)) return value
    throw new SecretStoreError(`AWS Secrets Manager: ${SecretId} holds what no secret can be.`, { retryable: false })
  }

  async put(name: string, value: string): Promise<void> {
    const SecretId = this.#idOf(name)
    const SecretString = checkedSecret(value)
    const { kmsKeyId } = this.#options
    await this.#call(`PutSecretValue ${SecretId}`, async ({ sdk, client }, options) => {
      for (let tries = 1; ; tries += 1) {
        const fresh = { Name: SecretId, SecretString, ...(kmsKeyId === undefined ? {} : { KmsKeyId: kmsKeyId }) }
        try {
          if (await unlessMissing(client.send(new sdk.PutSecretValueCommand({ SecretId, SecretString }), options))) return
          await client.send(new sdk.CreateSecretCommand(fresh), options)
          return
        } catch (error) {
          // Somebody made it in between, or it was deleted a moment ago and is not gone yet: either call is refused then.
          const isPassing = ['ResourceExistsException', 'InvalidRequestException'].includes(nameOf(error))
          if (!isPassing || tries === this.#triesMax) throw error
        }
        await pause(this.#pauseMs, undefined, { signal: options.abortSignal })
      }
    })
  }

  async delete(name: string): Promise<void> {
    const SecretId = this.#idOf(name)
    await this.#call(`DeleteSecret ${SecretId}`, async ({ sdk, client }, options) => {
      await unlessMissing(client.send(new sdk.DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }), options))
    })
  }

  async list(prefix: string): Promise<readonly string[]> {
    const folder = `${this.#folder}/`
    const wanted = folder + checkedSecretPrefix(prefix)
    const names: string[] = []
    let NextToken: string | undefined
    for (let pages = 1; ; pages += 1) {
      const page = { MaxResults: 100, Filters: [{ Key: 'name' as const, Values: [wanted] }], ...(NextToken ? { NextToken } : {}) }
      const answer = await this.#call(`ListSecrets ${wanted}`, async ({ sdk, client }, options) =>
        client.send(new sdk.ListSecretsCommand(page), options),
      )
      for (const { Name: found = '' } of answer.SecretList ?? []) {
        // The filter is the service's; what begins so is ours to say.
        const name = found.slice(folder.length)
        if (found.startsWith(wanted) && isSecretName(name)) names.push(name)
      }
      if (answer.NextToken === undefined) return [...new Set(names)].sort()
      if (answer.NextToken === NextToken || pages === pagesMax) {
        throw new SecretStoreError(`AWS Secrets Manager: ListSecrets ${wanted}: a list without an end.`, { retryable: false })
      }
      NextToken = answer.NextToken
    }
  }

  #idOf(name: string): string {
    return `${this.#folder}/${checkedSecretName(name)}`
  }

  async #call<T>(
    what: string,
    work: (loaded: { readonly sdk: Sdk; readonly client: Client }, options: { readonly abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const loaded = await this.#loaded()
    const tooLate = () => new SecretStoreError(`AWS Secrets Manager: ${what}: no answer within ${this.#timeoutMs} ms.`)
    // The client heeds the signal while it waits for the service, but not while it waits for credentials.
    const explained = async (abortSignal: AbortSignal) => {
      try {
        return await work(loaded, { abortSignal })
      } catch (error) {
        throw failed(what, error)
      }
    }
    return withDeadline(this.#timeoutMs, explained, tooLate)
  }

  async #loaded(): Promise<{ readonly sdk: Sdk; readonly client: Client }> {
    this.#loading ??= this.#load()
    try {
      return await this.#loading
    } catch (error) {
      // So that whoever has mended it meanwhile needs no restart.
      this.#loading = undefined
      throw error
    }
  }

  async #load(): Promise<{ readonly sdk: Sdk; readonly client: Client }> {
    const { region, endpoint, credentials } = this.#options
    const sdk = await import('@aws-sdk/client-secrets-manager').catch((cause: unknown) => {
      const message = 'Secrets in AWS need a package that is not there. Run: npm install @aws-sdk/client-secrets-manager'
      throw new ConfigurationError(message, { cause })
    })
    try {
      const client = new sdk.SecretsManagerClient({
        maxAttempts: this.#triesMax,
        ...(region === undefined ? {} : { region }),
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(credentials === undefined ? {} : { credentials: async () => withoutUndefined(await credentials()) }),
      })
      await client.config.region()
      return { sdk, client }
    } catch (cause) {
      throw new ConfigurationError('There is no region, or none that can be: give region, or set AWS_REGION.', { cause })
    }
  }
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (nameOf(error) === 'ResourceNotFoundException') return undefined
    throw error
  }
}

function failed(what: string, error: unknown): SecretStoreError {
  const name = nameOf(error)
  const { $metadata: metadata } = error as { readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string } }
  const status = metadata?.httpStatusCode
  return new SecretStoreError(`AWS Secrets Manager: ${what}: ${name}${status === undefined ? '' : `, status ${status}`}.`, {
    retryable: isPassing(name, status),
    details: { call: what, error: name, status, requestId: metadata?.requestId },
  })
}

/** May it be well later? The client has tried as often as it may. */
function isPassing(name: string, status: number | undefined): boolean {
  // It was never reached, unless it was never asked.
  if (status === undefined) return !/Credential|Region|Token/.test(name)
  // The answer for a secret that is being deleted: gone in a moment when that was by force.
  if (name === 'InvalidRequestException') return true
  return status >= 500 || status === 429 || /Throttl|Limit|TooMany/.test(name)
}

/** The name of an error of the client's, as in AccessDeniedException or ECONNREFUSED, and nothing else of it. */
function nameOf(error: unknown): string {
  const { name, code } = error as { readonly name?: unknown; readonly code?: unknown }
  for (const each of [code, name])
    if (typeof each === 'string' && /^[A-Za-z][A-Za-z0-9_]{2,63}$/.test(each) && each !== 'Error') return each
  return 'unknown error'
}

function withoutUndefined({ accessKeyId, secretAccessKey, sessionToken, expiration }: AwsCredentials) {
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(expiration === undefined ? {} : { expiration }),
  }
}

const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

function refusePlainHttp(endpoint: string): void {
  const url = URL.parse(endpoint)
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && loopbackHosts.has(url.hostname))) return
  throw new ConfigurationError('endpoint is not an https address. Over plain http anybody on the way reads the secrets.')
}
