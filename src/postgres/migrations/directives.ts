// What a migration says of itself in the comments of its head: `-- partywall: lock-timeout 10s`.

import { MigrationError } from '../../errors.ts'

/** The directives of one file. */
export interface MigrationDirectives {
  /** The file has one statement, which cannot be in a transaction. */
  readonly isTransactional: boolean
  readonly lockTimeoutMs?: number
  readonly statementTimeoutMs?: number
  /** Rules of the lint that do not count in this file, each with the reason. */
  readonly allowed: ReadonlyMap<string, string>
}

const durationMsMax = 86_400_000
const reasonLengthMin = 10
const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 }

/**
 * Reads the directives. They stand before the first statement; one that stands elsewhere would be overlooked, and is refused.
 *
 * @throws {MigrationError} when one is not known, is repeated, or has a value that cannot be.
 */
export function readDirectives(file: string, text: string): MigrationDirectives {
  const lines = text.split('\n')
  const headLength = lines.findIndex((line) => !/^\s*(--.*|\/\/.*)?$/.test(line))
  const head = headLength < 0 ? lines.length : headLength
  const found = new Map<string, string>()
  const allowed = new Map<string, string>()
  for (const [index, line] of lines.entries()) {
    const directive = /^\s*(?:--|\/\/)\s*partywall:\s*(.*?)\s*$/.exec(line)?.[1]
    if (directive === undefined) continue
    const refuse = (why: string): never => {
      throw new MigrationError(`${file}:${index + 1}: ${why}`, { details: { file, line: index + 1 } })
    }
    if (index >= head) refuse('A directive stands before the first statement.')
    const allow = /^allow ([a-z-]+) because (.+)$/.exec(directive)
    if (allow !== null) {
      const [, rule = '', reason = ''] = allow
      if (reason.length < reasonLengthMin)
        refuse(`Say in at least ${reasonLengthMin} characters why ${rule} is allowed: reviewers read it.`)
      allowed.set(rule, reason)
      continue
    }
    const [, name = '', value = ''] = /^(\S+)\s*(.*)$/.exec(directive) ?? []
    if (found.has(name)) refuse(`The directive ${name} is given twice.`)
    if (!isWellFormed(name, value)) refuse(`"${directive}" is not a directive. Known: ${known.join('; ')}.`)
    found.set(name, value)
  }
  const lockTimeoutMs = durationMs(found.get('lock-timeout'))
  const statementTimeoutMs = durationMs(found.get('statement-timeout'))
  return {
    isTransactional: !found.has('no-transaction'),
    ...(lockTimeoutMs === undefined ? {} : { lockTimeoutMs }),
    ...(statementTimeoutMs === undefined ? {} : { statementTimeoutMs }),
    allowed,
  }
}

const known = ['no-transaction', 'lock-timeout 10s', 'statement-timeout 2h', 'allow <rule> because <reason>']

function isWellFormed(name: string, value: string): boolean {
  switch (name) {
    case 'no-transaction':
      return value === ''
    case 'lock-timeout':
    case 'statement-timeout':
      return durationMs(value) !== undefined
    default:
      return false
  }
}

/** `500ms`, `10s`, `5min`, `2h`. Never 0, which would be no limit at all. */
function durationMs(value: string | undefined): number | undefined {
  const [, count, unit = ''] = /^([1-9][0-9]{0,8})(ms|s|min|h)$/.exec(value ?? '') ?? []
  const ms = Number(count) * (unitMs[unit] ?? Number.NaN)
  return ms <= durationMsMax ? ms : undefined
}
