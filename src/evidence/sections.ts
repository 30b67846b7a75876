// The five questions of a customer's security team, answered from facts.

import type { EvidenceFacts } from './facts.ts'
import { grantsSaid } from './grant-words.ts'
import type { EvidenceSection } from './report.ts'
import { counted, firstOf, type Said, statement } from './words.ts'

/** Each of these is a section, in the order in which they are read. */
export const sections: readonly ((facts: EvidenceFacts, now: Date) => EvidenceSection)[] = [
  isolated,
  accessed,
  engineers,
  neighbours,
  where,
]

const placements = {
  pooled: 'in tables that other customers share; the database itself hides every row that is not yours',
  schema: 'in tables of your own, in a database that other customers share',
  database: 'in a database of your own, on a server that other customers share',
  server: 'on a database server of your own',
} as const

function isolated(facts: EvidenceFacts, now: Date): EvidenceSection {
  return {
    id: 'isolated',
    question: 'Is our data isolated from that of other customers?',
    statements: [
      statement(
        facts.place,
        now,
        {
          id: 'placement',
          by: 'partywall tenant verify',
          controls: ['SOC 2 CC6.1', 'ISO 27001:2022 A.8.3'],
          absent: 'Where your data is could not be looked at.',
        },
        ({ facts: { tables }, findings }) => ({
          text: `Your data is ${placements[facts.tenant.placement.isolation]}. ${counted(tables.length, 'table')} with your rows ${wallWords(findings.length === 0, tables.length === 1)}.`,
          verdict: findings.length === 0 ? 'passed' : 'failed',
          details: firstOf(
            findings.length > 0
              ? findings.map(({ rule, problem }) => `${rule}: ${problem}`)
              : tables.map(({ name, rows }) => `${name}: ${counted(rows, 'row')}`),
          ),
        }),
      ),
      statement(
        facts.neighbour,
        now,
        {
          id: 'neighbour-sees-nothing',
          by: 'neighbour probe',
          controls: ['SOC 2 CC4.1', 'SOC 2 CC6.1', 'ISO 27001:2022 A.8.3'],
          absent: 'No attempt to read your data as another customer could be made.',
        },
        ({ tables }) => {
          const attempts = tables.flatMap((table) => table.attempts.map((attempt) => ({ ...attempt, table: table.name })))
          const bad = attempts.filter(({ outcome }) => outcome === 'leaked' || outcome === 'void')
          const hasLeaked = bad.some(({ outcome }) => outcome === 'leaked')
          const withRows = tables.filter(({ rows }) => rows > 0).length
          return {
            text: hasLeaked
              ? `Another customer’s session reached something of yours.`
              : `Another customer’s session tried ${counted(attempts.length, 'time')} to reach your rows in ${counted(tables.length, 'table')}, now, in the running system, and got none. In ${withRows} of them there was something to get.`,
            // Where there is nothing to get, or something could not be tried, nothing is proved.
            verdict: hasLeaked ? 'failed' : bad.length > 0 || withRows === 0 ? 'not_seen' : 'passed',
            details: firstOf(
              (bad.length > 0 ? bad : attempts).map(({ table, what, outcome, got }) => `${table}: ${what}: ${outcome} (${got})`),
              40,
            ),
          }
        },
      ),
      statement(
        facts.canaries,
        now,
        {
          id: 'canaries',
          by: 'live canaries',
          controls: ['SOC 2 CC4.1', 'SOC 2 CC6.1', 'ISO 27001:2022 A.8.3', 'ISO 27001:2022 A.8.5'],
          absent: 'The live canaries did not run.',
        },
        (findings) => ({
          text:
            findings.length === 0
              ? 'Two test customers on one shared connection were never mistaken for each other, and forged, expired, revoked and foreign credentials of the database were refused.'
              : 'The live canaries found a way through.',
          verdict: findings.length === 0 ? 'passed' : 'failed',
          details: findings.map(({ rule, problem }) => `${rule}: ${problem}`),
        }),
      ),
      statement(
        facts.doctor,
        now,
        {
          id: 'doctor',
          by: 'partywall doctor',
          controls: ['SOC 2 CC7.1', 'ISO 27001:2022 A.8.8', 'ISO 27001:2022 A.8.9'],
          absent: 'The configuration of the database was not examined.',
        },
        ({ checks, findings, unseen }) => {
          const errors = findings.filter(({ level }) => level === 'error')
          return {
            text: `${counted(checks.length, 'check')} examined the configuration of your server and database: ${counted(errors.length, 'error')}, ${counted(findings.filter(({ level }) => level === 'warning').length, 'warning')}.`,
            verdict: errors.length === 0 ? 'passed' : 'failed',
            details: firstOf([
              ...findings.map(({ check, level, object, problem }) => `${level}: ${check}: ${object}: ${problem}`),
              ...unseen.map((what) => `not seen: ${what}`),
            ]),
          }
        },
      ),
    ],
  }
}

function accessed(facts: EvidenceFacts, now: Date): EvidenceSection {
  return {
    id: 'accessed',
    question: 'Who accessed our data?',
    statements: [
      statement(
        facts.audit,
        now,
        {
          id: 'audit-log',
          by: 'partywall audit list',
          controls: ['SOC 2 CC7.2', 'ISO 27001:2022 A.8.15'],
          absent: 'No log of accesses is kept for your data.',
        },
        ({ entries, byAction, refused, actors }) => ({
          text: `${counted(entries, 'access', 'accesses')} by ${counted(actors, 'actor')} are in your log; ${counted(refused, 'attempt')} ${refused === 1 ? 'was' : 'were'} refused.`,
          verdict: 'told',
          details: Object.entries(byAction).map(([action, count]) => `${action}: ${count.toLocaleString('en-US')}`),
        }),
      ),
      statement(
        facts.audit,
        now,
        {
          id: 'audit-chain',
          by: 'partywall audit verify',
          controls: ['ISO 27001:2022 A.5.33', 'ISO 27001:2022 A.8.15'],
          absent: 'There is no log whose integrity could be verified.',
        },
        ({ verification: { isIntact, details } }) => ({
          text: isIntact
            ? 'The log is complete and unchanged: every entry is chained to the one before it, and the chain ends where signed records outside the database say.'
            : 'The log was changed, or is not complete.',
          verdict: isIntact ? 'passed' : 'failed',
          details,
        }),
      ),
    ],
  }
}

function engineers(facts: EvidenceFacts, now: Date): EvidenceSection {
  return {
    id: 'engineers',
    question: 'Can your engineers see our data?',
    statements: [
      statement(
        facts.roles,
        now,
        {
          id: 'roles-with-a-path',
          by: 'roles of the server',
          controls: ['SOC 2 CC6.3', 'ISO 27001:2022 A.8.2', 'ISO 27001:2022 A.5.18'],
          absent: 'The roles of the database server could not be read.',
        },
        (roles): Said => {
          const people = roles.filter(({ canLogIn }) => canLogIn)
          const hasApplication = roles.some(({ path }) => path.startsWith('application'))
          return {
            text: `${counted(people.length, 'login')} of the database server ${people.length === 1 ? 'has' : 'have'} a path to your data that the policies do not close. ${hasApplication ? 'A login of the application is among them.' : 'The application’s own login has none.'}`,
            verdict: hasApplication ? 'failed' : 'told',
            details: roles.map(({ role, canLogIn, path }) => `${role}${canLogIn ? '' : ' (cannot log in)'}: ${path}`),
          }
        },
      ),
      statement(
        facts.grants,
        now,
        {
          id: 'break-glass',
          by: 'partywall break-glass list',
          controls: ['SOC 2 CC6.2', 'SOC 2 CC6.3', 'ISO 27001:2022 A.5.3', 'ISO 27001:2022 A.8.2'],
          absent: 'There is no procedure of approved emergency access in this installation.',
        },
        grantsSaid,
      ),
      {
        id: 'encryption',
        text: 'Your data is not encrypted with a key of your own: that part is not present in this installation. Encryption of the disk is the operator’s.',
        verdict: 'not_present',
        proof: { by: 'partywall evidence', at: now.toISOString(), details: [] },
        controls: ['SOC 2 CC6.1', 'ISO 27001:2022 A.8.24'],
      },
    ],
  }
}

function neighbours(facts: EvidenceFacts, now: Date): EvidenceSection {
  return {
    id: 'neighbours',
    question: 'What if another customer’s bug or load hits us?',
    statements: [
      statement(
        facts.limits,
        now,
        {
          id: 'limits',
          by: 'plans and limits of the login',
          controls: ['SOC 2 A1.1', 'ISO 27001:2022 A.8.6'],
          absent: 'The limits could not be read.',
        },
        ({ plan, weight, statementTimeoutMs, lockTimeoutMs }) => ({
          text:
            statementTimeoutMs > 0 && lockTimeoutMs > 0
              ? `Every customer waits in a line of its own before the database: nobody can take all connections. Your plan has the share ${weight}. A statement ends after ${statementTimeoutMs / 1_000} seconds at the latest, and a wait for a lock after ${lockTimeoutMs / 1_000}.`
              : 'The login that runs the statements has no limit of time.',
          verdict: statementTimeoutMs > 0 && lockTimeoutMs > 0 ? 'passed' : 'failed',
          details: [`plan ${plan}`],
        }),
      ),
      statement(
        facts.place,
        now,
        {
          id: 'failure-domain',
          by: 'catalog',
          controls: ['SOC 2 A1.1', 'ISO 27001:2022 A.8.6'],
          absent: 'Who shares your server could not be read.',
        },
        ({ besides, server }) => ({
          text:
            besides.onServer === 0
              ? `No other customer is on your server ${server.name}.`
              : `You share the server ${server.name} with ${counted(besides.onServer, 'other customer')}, and its database with ${besides.inDatabase === 0 ? 'nobody' : counted(besides.inDatabase, 'of them', 'of them')}.`,
          verdict: 'told',
        }),
      ),
      {
        id: 'load-test',
        text: 'No result of a load test with a noisy neighbour was given to this report.',
        verdict: 'not_present',
        proof: { by: 'partywall evidence', at: now.toISOString(), details: [] },
        controls: ['SOC 2 A1.1', 'ISO 27001:2022 A.8.6'],
      },
    ],
  }
}

function where(facts: EvidenceFacts, now: Date): EvidenceSection {
  return {
    id: 'where',
    question: 'Where is our data?',
    statements: [
      statement(
        facts.place,
        now,
        {
          id: 'region',
          by: 'catalog and server',
          controls: ['ISO 27001:2022 A.5.31', 'ISO 27001:2022 A.5.34'],
          absent: 'The server of your data could not be looked at.',
        },
        ({ server }) => ({
          text: `On the server ${server.name} in the region ${server.region}${server.region === facts.tenant.region ? ', as agreed' : `; agreed was ${facts.tenant.region}`}.`,
          verdict: server.region === facts.tenant.region ? 'passed' : 'failed',
        }),
      ),
      statement(
        facts.backups,
        now,
        {
          id: 'backups',
          by: 'partywall backup list',
          controls: ['SOC 2 A1.2', 'SOC 2 A1.3', 'ISO 27001:2022 A.8.13'],
          absent: 'Backups of your data alone are not made in this installation.',
        },
        (backups) => ({
          text:
            backups.length === 0
              ? 'There is no backup of your data alone.'
              : `${counted(backups.length, 'backup')} of your data alone, sealed with a key of yours; ${counted(backups.filter(({ verifiedAt }) => verifiedAt !== null).length, 'was', 'were')} restored and compared as a test.`,
          verdict: 'told',
          details: firstOf(
            backups.map(
              ({ id, at, verifiedAt }) =>
                `${id}: ${at.toISOString()}${verifiedAt === null ? '' : `, verified ${verifiedAt.toISOString()}`}`,
            ),
          ),
        }),
      ),
      statement(
        facts.moves,
        now,
        {
          id: 'moves',
          by: 'partywall move list',
          controls: ['SOC 2 CC6.7', 'ISO 27001:2022 A.5.14'],
          absent: 'Whether your data was moved could not be read.',
        },
        (moves) => ({
          text: moves.length === 0 ? 'Your data was not moved in this time.' : `Your data was moved ${counted(moves.length, 'time')}.`,
          verdict: 'told',
          details: moves.map(({ from, to, state, at }) => `${at.toISOString()}: ${from} to ${to}, ${state}`),
        }),
      ),
    ],
  }
}

function wallWords(isSound: boolean, isOne: boolean): string {
  if (isSound) return isOne ? 'is protected as it must be' : 'are protected as they must be'
  return isOne ? 'was looked at, and not everything is as it must be' : 'were looked at, and not everything is as it must be'
}
