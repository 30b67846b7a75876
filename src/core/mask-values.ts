// Values under a mask: from a value and a key to another value, always the same. Without the key nobody comes back, nor finds out by
// trying; the key is made for one copy, and forgotten after it.

import { createHmac } from 'node:crypto'
import { InvalidInputError } from '../errors.ts'
import type { CustomMasks, MaskRule } from './mask.ts'

/** What a rule is for. */
export interface MaskedColumn {
  readonly table: string
  readonly column: string
  /** As PostgreSQL spells it. */
  readonly type: string
  readonly isNullable: boolean
}

export interface MaskSecrets {
  /** At least 32 random bytes. */
  readonly key: Uint8Array
  readonly masks: CustomMasks
}

/** https://www.rfc-editor.org/rfc/rfc2606: no host ever has a name that ends in `.invalid`. */
const mailHost = 'example.invalid'

const textFits =
  /^(?!(?:boolean|smallint|integer|bigint|numeric|real|double|date|time|interval|uuid|bytea|jsonb?|inet|cidr|macaddr)\b|timestamp|.*\[\]$)/
const numberFits = /^(smallint|integer|bigint|numeric|real|double precision)\b/

/** Why a rule does not fit a column; undefined when it does. */
export function misfitOf(rule: MaskRule, column: MaskedColumn, masks: CustomMasks): string | undefined {
  const { type, isNullable } = column
  if (typeof rule === 'object') {
    if ('noise' in rule) return numberFits.test(type) ? undefined : `noise is for numbers, and it is ${type}`
    if ('custom' in rule) return Object.hasOwn(masks, rule.custom) ? undefined : `there is no mask ${JSON.stringify(rule.custom)}`
    return undefined
  }
  switch (rule) {
    case 'keep':
      return undefined
    case 'null':
      return isNullable ? undefined : 'it is not null'
    case 'hash':
      return textFits.test(type) || type === 'uuid' || type === 'bigint'
        ? undefined
        : `hash is for text, uuid and bigint, and it is ${type}`
    case 'email':
      if (lengthOf(type) < maskedEmail('').length)
        return `it is ${type}, and an address under a mask has ${maskedEmail('').length} characters`
      return textFits.test(type) ? undefined : `email is for text, and it is ${type}`
    case 'name':
    case 'text':
      return textFits.test(type) ? undefined : `${rule} is for text, and it is ${type}`
  }
}

/** The function of a rule that fits. @throws {InvalidInputError} when it does not. */
export function maskOf(rule: MaskRule, column: MaskedColumn, { key, masks }: MaskSecrets): (value: string | null) => string | null {
  const misfit = misfitOf(rule, column, masks)
  if (misfit !== undefined) throw new InvalidInputError(`The rule of ${column.table}.${column.column} does not fit: ${misfit}.`)
  const hashed = (value: string): Buffer => createHmac('sha256', key).update(value).digest()
  const ofValues =
    (mask: (value: string) => string) =>
    (value: string | null): string | null =>
      value === null ? null : mask(value)
  if (typeof rule === 'object') {
    if ('fixed' in rule) return () => rule.fixed
    if ('noise' in rule) return ofValues((value) => noisy(value, rule.noise, hashed(value)))
    const custom = masks[rule.custom]!
    const { table, column: name } = column
    return (value) => custom(value, { table, column: name })
  }
  switch (rule) {
    case 'keep':
      return (value) => value
    case 'null':
      return () => null
    case 'hash':
      return ofValues((value) => hashAs(column.type, hashed(value)))
    case 'email':
      return ofValues((value) => maskedEmail(hashed(value).toString('hex')))
    case 'name':
      return ofValues((value) => nameOf(hashed(value)).slice(0, lengthOf(column.type)))
    case 'text':
      return ofValues((value) => filler([...value].length))
  }
}

function maskedEmail(hex: string): string {
  return `${hex.slice(0, 20).padEnd(20, '0')}@${mailHost}`
}

function hashAs(type: string, hash: Buffer): string {
  if (type === 'bigint') return String(hash.readBigUInt64BE() >> 1n)
  const hex = hash.toString('hex').slice(0, 32)
  if (type !== 'uuid') return hex.slice(0, lengthOf(type))
  // Version 8 of RFC 9562: bits of somebody's own making.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
}

/** Of `character varying(40)`: 40. */
function lengthOf(type: string): number {
  return Number(/^character(?: varying)?\((\d+)\)$/.exec(type)?.[1] ?? Number.POSITIVE_INFINITY)
}

const given =
  'Ada Alan Anna Bela Cleo Dana Edda Egon Emil Finn Gita Hugo Ines Ivan Jara Jens Kaja Karl Lena Lior Mara Milo Nils Nora Olga Otto Pia Quin Rosa Sven Tara Yuri'.split(
    ' ',
  )
const family =
  'Abel Berg Cole Dahl Eder Falk Gray Hahn Ilic Jung Katz Lund Marx Nolan Orth Pohl Quist Rhys Sand Thal Ude Voss Webb Xu Yates Zorn Ames Boyd Cruz Diaz Ely Ford'.split(
    ' ',
  )

function nameOf(hash: Buffer): string {
  return `${given[hash[0]! % given.length]} ${family[hash[1]! % family.length]}`
}

const lorem = 'lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua '

function filler(length: number): string {
  return lorem.repeat(Math.ceil(length / lorem.length)).slice(0, length)
}

/** As many decimals as before. What is no finite number stays. */
function noisy(value: string, percent: number, hash: Buffer): string {
  const number = Number(value)
  if (!Number.isFinite(number)) return value
  const share = (hash.readUInt32BE() / 0xffff_ffff) * 2 - 1
  const moved = number * (1 + (share * percent) / 100)
  if (Math.abs(moved) >= 1e21 || /e/i.test(value)) return String(moved)
  return moved.toFixed(value.split('.')[1]?.length ?? 0)
}
