// What the operator's tool prints, read line by line. Nothing of it is believed unseen, and nothing that it prints to us is
// repeated in a message: the last line holds a password.

import type { ProvisionerProgress, ServerConnection } from '../core/provisioner.ts'
import type { Json } from '../core/tenant.ts'
import { ProvisionerError } from '../errors.ts'

/** Longest line that is shown to people. */
const messageLengthMax = 500
/** Longest state, as JSON: it is kept in the catalog. */
const stateLengthMax = 65_536
const labelsLengthMax = 8_192

/** Collects progress and the result. */
export class CommandAnswer {
  readonly #onProgress: (progress: ProvisionerProgress) => void
  #result: Readonly<Record<string, unknown>> | undefined
  #lines = 0

  constructor(onProgress: (progress: ProvisionerProgress) => void) {
    this.#onProgress = onProgress
  }

  /** @throws {ProvisionerError} for a line that is not of the protocol. */
  read(line: string): void {
    this.#lines += 1
    if (line.trim() === '') return
    const message = asObject(parsed(line))
    if (message === undefined) throw this.#broken('is not a JSON object')
    if (this.#result !== undefined) throw this.#broken('comes after the result')
    if (message['type'] === 'result') {
      this.#result = message
    } else if (message['type'] === 'progress' && typeof message['message'] === 'string') {
      const { fraction } = message
      const isFraction = typeof fraction === 'number' && fraction >= 0 && fraction <= 1
      this.#onProgress({ message: masked(message['message']), ...(isFraction && { fraction }) })
    } else {
      throw this.#broken('has a type that is neither progress nor result')
    }
  }

  /** The connection, every field of it checked. @throws {ProvisionerError} naming the field, never its value. */
  connection(): ServerConnection {
    const given = asObject(this.#result?.['connection'])
    if (given === undefined) throw new ProvisionerError('The tool ended well, and printed no result with a connection.')
    const { host, port, adminLogin, adminPassword, region, labels = {}, state } = given
    return {
      host: text('host', host, /^[a-z0-9.:_-]{1,255}$/i),
      port: Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536 ? (port as number) : wrong('port'),
      adminLogin: text('adminLogin', adminLogin, /^[^\p{Cc}]{1,63}$/u),
      adminPassword: text('adminPassword', adminPassword, /^[^\p{Cc}]{1,1000}$/u),
      region: text('region', region, /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,47}$/),
      labels:
        asObject(labels) !== undefined && JSON.stringify(labels).length <= labelsLengthMax
          ? (labels as Record<string, Json>)
          : wrong('labels'),
      ...(state !== undefined && { state: JSON.stringify(state).length <= stateLengthMax ? (state as Json) : wrong('state') }),
    }
  }

  #broken(problem: string): ProvisionerError {
    return new ProvisionerError(`Line ${this.#lines} of the tool's output ${problem}. It is not repeated here: it may hold a password.`)
  }
}

/** A line for people, without what looks like a password: in URLs, and after words that announce one. */
export function masked(line: string): string {
  return line
    .replaceAll(/\p{Cc}/gu, ' ')
    .replaceAll(/(\w+:\/\/[^\s:/@]*:)[^\s@/]+@/g, '$1***@')
    .replaceAll(/((?:password|passwd|secret|token)["']?\s*(?:=>|[:=])\s*)("[^"]*"|'[^']*'|[^\s,;]+)/gi, '$1***')
    .slice(0, messageLengthMax)
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
}

function text(field: string, value: unknown, pattern: RegExp): string {
  return typeof value === 'string' && pattern.test(value) ? value : wrong(field)
}

function wrong(field: string): never {
  throw new ProvisionerError(`The connection that the tool printed has no usable ${field}.`)
}
