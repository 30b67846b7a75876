// The shape is that of sarif-schema-2.1.0.json: which properties an object may have, which it must have, and of what type.
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { collectReport } from '../../src/doctor/report.ts'
import { sarifOf } from '../../src/doctor/sarif.ts'
import { finding, lookThatFound } from '../support/doctor-findings.ts'

const now = new Date('2026-11-23T12:00:00Z')
const silences = [{ key: 'open-door:main/main:app.old', reason: 'Gone in March', expires: '2027-03-31' }]
const gap = { kind: 'gap', at: { server: 'pg-2', database: null }, what: 'the server pg-2', why: 'It is down.' } as const
const options = { version: '0.1.0', docs: 'https://docs.example.com/doctor/', baseline: 'ci/partywall.doctor.json' }

type Shape = string | readonly [Shape] | { readonly [property: string]: Shape }

const message: Shape = { 'text!': 'text' }
const rule: Shape = {
  'id!': 'text',
  shortDescription: message,
  fullDescription: message,
  helpUri: 'uri',
  defaultConfiguration: { level: 'level' },
  properties: 'any',
}
const result: Shape = {
  ruleId: 'text',
  ruleIndex: 'number',
  level: 'level',
  'message!': message,
  locations: [
    {
      physicalLocation: { artifactLocation: { uri: 'text' }, region: { startLine: 'number' } },
      logicalLocations: [{ name: 'text', fullyQualifiedName: 'text' }],
    },
  ],
  partialFingerprints: 'texts',
  suppressions: [{ 'kind!': 'text', justification: 'text' }],
  properties: 'any',
}
const invocation: Shape = {
  'executionSuccessful!': 'boolean',
  startTimeUtc: 'time',
  toolExecutionNotifications: [{ 'message!': message, level: 'level' }],
}
const log: Shape = {
  $schema: 'uri',
  'version!': 'version',
  'runs!': [
    { 'tool!': { 'driver!': { 'name!': 'text', semanticVersion: 'text', rules: [rule] } }, invocations: [invocation], results: [result] },
  ],
}

const leaves: Readonly<Record<string, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string' && value !== '',
  number: (value) => Number.isInteger(value) && (value as number) >= 0,
  boolean: (value) => typeof value === 'boolean',
  level: (value) => ['none', 'note', 'warning', 'error'].includes(value as string),
  uri: (value) => URL.canParse(value as string),
  time: (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value as string),
  version: (value) => value === '2.1.0',
  texts: (value) => Object.values(value as object).every((text) => typeof text === 'string'),
  any: () => true,
}

/** What does not fit, by its path. */
function misfits(value: unknown, shape: Shape, path: string): readonly string[] {
  if (typeof shape === 'string') return leaves[shape]!(value) ? [] : [`${path} is no ${shape}`]
  if (Array.isArray(shape)) {
    return Array.isArray(value)
      ? value.flatMap((item, at) => misfits(item, (shape as readonly [Shape])[0], `${path}[${at}]`))
      : [`${path} is no list`]
  }
  const known = new Map(Object.entries(shape).map(([name, inner]) => [name.replace('!', ''), inner]))
  const given = value as Readonly<Record<string, unknown>>
  return [
    ...Object.keys(shape)
      .filter((name) => name.endsWith('!') && given[name.slice(0, -1)] === undefined)
      .map((name) => `${path}.${name} is missing`),
    ...Object.entries(given).flatMap(([name, inner]) => {
      const wanted = known.get(name)
      return wanted === undefined ? [`${path}.${name} is not in the schema`] : misfits(inner, wanted, `${path}.${name}`)
    }),
  ]
}

async function sarif(docs: string | undefined = options.docs) {
  const events = lookThatFound(
    [finding(), finding({ object: 'app.old' }), finding({ check: 'check-failed', object: 'open-door' })],
    [{ kind: 'unseen', unseen: gap }],
  )
  return sarifOf(await collectReport(events, { silences, now }), { ...options, docs }) as {
    readonly runs: readonly [
      {
        readonly tool: { readonly driver: { readonly rules: readonly Record<string, unknown>[] } }
        readonly results: readonly Record<string, unknown>[]
      },
    ]
  }
}

describe('SARIF', () => {
  test('has the shape of its schema, also when it went through JSON', async () => {
    assert.deepEqual(misfits(JSON.parse(JSON.stringify(await sarif())), log, 'log'), [])
    assert.deepEqual(misfits(await sarif(undefined), log, 'log'), [])
  })

  test('of another shape is seen', async () => {
    const made = await sarif()
    const { results, ...run } = made.runs[0]
    const { message: _, ...mute } = results[0]!
    assert.deepEqual(
      misfits({ ...made, runs: [{ ...run, results: [{ ...mute, level: 'fatal', colour: 'red' }] }] }, log, 'log').toSorted(),
      [
        'log.runs[0].results[0].colour is not in the schema',
        'log.runs[0].results[0].level is no level',
        'log.runs[0].results[0].message! is missing',
      ],
    )
  })

  test('has the rule of every result, with its page, and the key as the fingerprint', async () => {
    const [{ tool, results }] = (await sarif()).runs
    for (const { ruleId, ruleIndex } of results) assert.equal(tool.driver.rules[ruleIndex as number]!['id'], ruleId)
    assert.deepEqual(
      tool.driver.rules.map(({ id, helpUri }) => [id, helpUri]),
      [
        ['open-door', 'https://docs.example.com/doctor/open-door.md'],
        ['check-failed', 'https://docs.example.com/doctor/check-failed.md'],
      ],
    )
    assert.deepEqual(results[0]!['partialFingerprints'], { 'partywallKey/v1': 'open-door:main/main:app.notes' })
    assert.deepEqual(JSON.stringify(results[0]!['locations']).includes('"uri":"ci/partywall.doctor.json"'), true)
  })

  test('shows what is silenced as suppressed, with its reason', async () => {
    const [{ results }] = (await sarif()).runs
    assert.deepEqual(
      results.map(({ suppressions }) => suppressions ?? null),
      [null, null, [{ kind: 'external', justification: 'Gone in March (until 2027-03-31)' }]],
    )
  })
})
