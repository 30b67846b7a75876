// What operators say of servers, checked before anything is asked or written.

import type { Json } from '../core/tenant.ts'
import { InvalidInputError } from '../errors.ts'

const wordPattern = /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,47}$/
/** Longest labels, as JSON. */
const labelsLengthMax = 16_384

/** Labels of a server: what it may be chosen by. */
export type Labels = Readonly<Record<string, Json>>

/** Names of servers and replicas, and regions. @throws {InvalidInputError} */
export function checkedWord(field: string, text: unknown): string {
  if (typeof text === 'string' && wordPattern.test(text)) return text
  throw new InvalidInputError(`${field} is not a word of at most 48 of a-z, 0-9 and single dashes, beginning with a letter.`)
}

/** @throws {InvalidInputError} */
export function checkedLabels(labels: unknown): Labels {
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) throw new InvalidInputError('labels is not a JSON object.')
  if (JSON.stringify(labels).length <= labelsLengthMax) return labels as Labels
  throw new InvalidInputError(`labels is longer than ${labelsLengthMax} characters of JSON.`)
}

/** @throws {InvalidInputError} */
export function checkedTenantsMax(count: unknown): number | null {
  if (count === undefined || count === null) return null
  if (Number.isInteger(count) && (count as number) >= 0 && (count as number) <= 1_000_000) return count as number
  throw new InvalidInputError('tenantsMax is not a whole number from 0 to 1,000,000.')
}

/** A host name or an address, and a port. */
export interface ServerAddress {
  readonly host: string
  readonly port: number
}

/** @throws {InvalidInputError} when a connection could read it as something else than a host and a port. */
export function checkedAddress({ host, port }: ServerAddress): ServerAddress {
  if (typeof host !== 'string' || !/^[a-z0-9.:_-]{1,255}$/i.test(host)) throw new InvalidInputError('host is no host name and no address.')
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new InvalidInputError('port is not a whole number from 1 to 65,535.')
  return { host, port }
}

/** The parts of an administrator's URL. */
export interface AdminUrl extends ServerAddress {
  readonly url: string
  readonly login: string
}

/** @throws {InvalidInputError} without repeating the URL, which holds a password. */
export function checkedAdminUrl(text: unknown): AdminUrl {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === '' || url.username === '') {
    throw new InvalidInputError('adminUrl is not of the form postgres://login:password@host:port/database.')
  }
  const address = checkedAddress({ host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || 5432) })
  return { ...address, url: url.href, login: decodeURIComponent(url.username) }
}
