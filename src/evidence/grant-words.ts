// Grants of emergency access, in the words of a report: who asked, who decided, what was done by it and for how long.

import type { GrantEvidence } from './facts.ts'
import { counted, lasting, type Said } from './words.ts'

/** What is said of all of them. */
export function grantsSaid(grants: readonly GrantEvidence[]): Said {
  if (grants.length === 0) return { text: 'Nobody of our staff asked for access to your data in this time.', verdict: 'told' }
  const denied = grants.filter(({ state }) => state === 'denied').length
  const undecided = grants.filter(({ decidedBy }) => decidedBy === null).length
  const approved = grants.length - denied - undecided
  const used = grants.filter(({ openedAt }) => openedAt !== null)
  const statements = used.reduce((sum, { inTrail }) => sum + inTrail.statements, 0)
  const parts = [
    `Our staff asked for emergency access to your data ${counted(grants.length, 'time')} in this time: ${approved} approved, ${denied} denied, ${undecided} without a decision.`,
    used.length === 0
      ? 'None was used.'
      : `${used.length} ${used.length === 1 ? 'was' : 'were'} used: ${counted(statements, 'statement')} recorded before ${statements === 1 ? 'it was' : 'they were'} sent.`,
    ...(approved === 0 ? [] : ['Each approval is signed by somebody else than who asked, and ends after minutes.']),
  ]
  return { text: parts.join(' '), verdict: 'told', details: grants.map(lineOf) }
}

function lineOf(grant: GrantEvidence): string {
  const { by, ticket, reason, scope } = grant
  const may = scope === 'read_write' ? 'to read and write' : 'to read'
  return [`${by} asked ${may}: ${reason} [${ticket}]`, decisionOf(grant), useOf(grant), endOf(grant)]
    .filter((part) => part !== '')
    .join('; ')
}

function decisionOf({ decidedBy, state }: GrantEvidence): string {
  if (decidedBy !== null) return `${state === 'denied' ? 'denied' : 'approved'} by ${decidedBy}`
  switch (state) {
    case 'requested':
      return 'nobody has decided yet, and so it opens nothing'
    case 'expired':
      return 'nobody decided in time, and so it opened nothing'
    case 'revoked':
      return 'taken back before anybody decided, and so it opened nothing'
    default:
      // The catalog's word against what the signatures allow: it is shown as it stands there.
      return `${state}, and decided by nobody`
  }
}

function useOf({ decidedBy, state, openedAt, inTrail, inLog }: GrantEvidence): string {
  if (openedAt === null) return decidedBy === null || state === 'denied' ? '' : state === 'approved' ? 'not used yet' : 'never used'
  const from = `used from ${openedAt.toISOString()}`
  const own =
    inLog === null
      ? 'you have no log of your own'
      : `${inLog.statements} in your own log${inLog.statements === 0 ? '' : `, of which ${inLog.refused} refused`}`
  const times = [inTrail, inLog].flatMap((record) => record?.between ?? [])
  if (times.length === 0) return `${from}, and nothing of it is recorded`
  const first = Math.min(...times.map((between) => between.first.getTime()))
  const last = Math.max(...times.map((between) => between.last.getTime()))
  return `${from}, ${counted(inTrail.uses, 'time')}, ${lasting(last - first)} from the first record to the last: ${counted(inTrail.statements, 'statement')} in the operator’s audit trail; ${own}`
}

function endOf({ decidedBy, state, expiresAt, endedAt }: GrantEvidence): string {
  if (decidedBy === null || state === 'denied') return ''
  const at = (time: Date | null): string => (time === null ? 'at a time that is not known' : time.toISOString())
  switch (state) {
    case 'ended':
      return `given back ${at(endedAt)}`
    case 'revoked':
      return `taken back ${at(endedAt)}`
    case 'expired':
      return `over since ${at(expiresAt)}`
    default:
      return `good until ${at(expiresAt)}`
  }
}
