// Promises that every verb keeps, and the machinery that they share.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { allVerbs } from '../../src/cli/all-verbs.ts'
import { flagText, parseVerb } from '../../src/cli/command.ts'
import { describeVerbs } from '../../src/cli/described-verbs.ts'
import { exitCodes } from '../../src/cli/exit-codes.ts'
import { group, verb } from '../../src/cli/verb.ts'
import { AbortedError, StaleTenantError } from '../../src/errors.ts'
import { recordedTerminal, runOn } from '../support/terminal.ts'

const verbs = await describeVerbs(allVerbs)
const reference = await readFile(new URL('../../docs/reference/cli.md', import.meta.url), 'utf8')

test('every verb has help with an example, and its own parser takes each example', async () => {
  for (const { path, node } of verbs) {
    const help = await runOn({}, [...path, '--help'])
    assert.deepEqual([help.code, help.err], [0, ''], path.join(' '))
    const text = help.out.join('\n')
    assert.match(text, new RegExp(`^Usage: partywall ${path.join(' ')} `))
    assert.match(text, /\nExamples:\n {2}/)
    assert.deepEqual(await runOn({}, ['help', ...path]), help)
    for (const example of node.kind === 'verb' ? node.examples : []) {
      const [program, ...words] = commandOf(example)
      assert.deepEqual([program, ...words.slice(0, path.length)], ['partywall', ...path], example)
      if (node.kind === 'verb') parseVerb(node, ['partywall', ...path], words.slice(path.length), recordedTerminal())
    }
  }
})

test('every verb and flag is in docs/reference/cli.md, and every partywall command there is one that its parser knows', () => {
  for (const { path, node } of verbs) {
    const call = ['partywall', ...path].join(' ')
    assert.ok(reference.includes(path.length === 1 ? `\n## ${call}\n` : `\n${call}`), `${call} is missing`)
    const section = reference.split(/\n(?=## )/).find((part) => part.startsWith(`## partywall ${path[0]}\n`)) ?? ''
    for (const name of node.kind === 'verb' ? Object.keys(node.flags) : [])
      assert.ok(section.includes(flagText(name)), `${call} ${flagText(name)}`)
  }
  const known = new Set(verbs.map(({ path }) => path.join(' ')))
  const groups = new Set(verbs.filter(({ node }) => node.kind === 'group').map(({ path }) => path[0]))
  for (const [, first = '', second = ''] of reference.matchAll(/^partywall ([\w-]+)(?: ([\w-]+))?/gm)) {
    const call = groups.has(first) ? `${first} ${second}` : first
    assert.ok(known.has(call), `there is no partywall ${call}`)
  }
})

test('the exit codes in docs/reference/cli.md are the real ones', () => {
  const rows = [...reference.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)].map(([, code, name]) => [name, Number(code)])
  assert.deepEqual(Object.fromEntries(rows), { ...exitCodes })
})

test('what was mistyped gets a suggestion, on stderr and with the code for a wrong call', async () => {
  for (const [argv, says] of [
    [['tenat', 'list'], /unknown verb 'tenat' \(Did you mean tenant\?\)\n {2}partywall --help/],
    [['tenant', 'suspnd', 'acme'], /Did you mean suspend\?\)\n {2}partywall tenant --help/],
    [['tenant', 'list', '--plna', 'x'], /Did you mean --plan\?/],
    [['tenant', 'list', '--status', 'gone'], /Allowed choices are onboarding, active/],
    [['tenant', 'suspend', 'acme', '--reason', ' '], /must say something/],
    [['tenant', 'show', 'acme', 'globex'], /too many arguments/],
    [['completions', 'tcsh'], /bash, zsh, fish/],
  ] as const) {
    const ran = await runOn({}, argv)
    assert.deepEqual([ran.code, ran.out], [exitCodes.usage, []], argv.join(' '))
    assert.match(ran.err, says)
  }
  const nothing = await runOn({}, [])
  assert.deepEqual([nothing.code, nothing.out], [exitCodes.usage, []])
  assert.match(nothing.err, /Verbs:\n {2}dev /)
  assert.match((await runOn({}, ['--version'])).out[0] ?? '', /^\d+\.\d+\.\d+/)
})

const sample = group({
  summary: 'A program of the tests',
  examples: ['partywall end done'],
  verbs: {
    end: async () =>
      verb({
        summary: 'End in some way',
        args: { how: 'done, partly, halted, abort, conflict or break', also: { about: 'more words', many: true, optional: true } },
        flags: {
          dryRun: { kind: 'switch', about: 'a switch' },
          times: { kind: 'number', about: 'a number', min: 1, max: 9, default: 2 },
          tags: { kind: 'list', about: 'a list' },
          order: { kind: 'choice', of: ['size', 'name'], about: 'a choice' },
        },
        examples: ['partywall end done'],
        async run({ args, flags, output, signal, terminal }) {
          // Each of these lines compiles only if the types follow from the definition.
          const { times, order }: { readonly times: number; readonly order: 'size' | 'name' | undefined } = flags
          const also: readonly string[] = args.also
          terminal.note('working')
          output.record({ times, order, also, tags: flags.tags, dryRun: flags.dryRun })
          switch (args.how) {
            case 'partly':
            case 'halted':
              return args.how
            case 'abort':
              return await new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
            case 'conflict':
              throw new StaleTenantError('It has changed.')
            case 'break':
              throw new TypeError('x is not a function')
            default:
              return 'done'
          }
        },
      }),
  },
})

test('a verb ends with the code of its outcome, and an interrupted one with 130', async () => {
  const end = async (how: string) => (await runOn({ untilStopped: async () => {} }, ['end', how], sample)).code
  assert.deepEqual(await Promise.all(['done', 'partly', 'halted', 'abort', 'conflict', 'break'].map(end)), [0, 3, 4, 130, 1, 1])
  const stack = await runOn({}, ['end', 'break', '--verbose'], sample)
  assert.match(stack.err, /\n {4}at /)
  assert.doesNotMatch((await runOn({}, ['end', 'break'], sample)).err, /\n {4}at /)
  assert.equal(new AbortedError('x').code, 'PW_ABORTED')
})

test('words and flags arrive with the types of their definition', async () => {
  const words = ['end', 'done', 'a', 'b', '--times', '3', '--tags', 'x,y', '--tags', 'z', '--order', 'size', '--dry-run', '--json']
  const full = await runOn({}, words, sample)
  assert.deepEqual(JSON.parse(full.out[0]!), { times: 3, order: 'size', also: ['a', 'b'], tags: ['x', 'y', 'z'], dryRun: true })
  const bare = await runOn({}, ['end', 'done', '--json'], sample)
  assert.deepEqual(JSON.parse(bare.out[0]!), { times: 2, also: [], tags: [], dryRun: false })
  for (const times of ['0', '10', '1e0', '0x2', '-1', '2.5', '']) {
    assert.equal((await runOn({}, ['end', 'done', '--times', times], sample)).code, exitCodes.usage, times)
  }
})

test('with --json both streams carry one JSON object a line, errors too', async () => {
  const ran = await runOn({}, ['end', 'conflict', '--json'], sample)
  const err = ran.err.split('\n').map((line) => JSON.parse(line))
  assert.deepEqual(err, [
    { kind: 'note', message: 'working' },
    { kind: 'error', code: 'PW_STALE_TENANT', message: 'It has changed.' },
  ])
  const wrong = await runOn({}, ['end', 'done', '--tims', '1', '--json'], sample)
  assert.equal(JSON.parse(wrong.err).code, 'PW_CONFIGURATION')
  const word = await runOn({}, ['end', 'done', '--', '--json'], sample)
  assert.match(word.out[0]!, /^times +2/, 'after -- it is a word')
})

test('completions know every verb, flag and choice, in the shell itself', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const script = (await runOn({}, ['completions', shell])).out.join('\n')
    for (const { path, flags } of verbs) {
      assert.ok(script.includes(path.at(-1)!), `${shell}: ${path.join(' ')}`)
      for (const name of Object.keys(flags)) assert.ok(script.includes(flagText(name).slice(2)), `${shell}: ${flagText(name)}`)
    }
  }
  const bash = (await runOn({}, ['completions', 'bash'])).out.join('\n')
  const complete = (...words: readonly string[]) => {
    const line = `${bash}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _partywall; echo "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['--norc', '-c', line], { encoding: 'utf8' }).trim()
  }
  assert.equal(complete('partywall', 'ten'), 'tenant')
  assert.equal(complete('partywall', 'tenant', 're'), 'rename resume')
  assert.equal(complete('partywall', 'tenant', 'suspend', 'acme', '--rea'), '--reason')
  assert.equal(complete('partywall', 'tenant', 'list', '--status', 'susp'), 'suspended')
  assert.equal(complete('partywall', 'tenant', 'list', '--rea'), '', 'a flag of another verb')
})

/** A line as a shell would split it; redirections are the shell's own. */
function commandOf(line: string): readonly string[] {
  const [command = ''] = line.replace(/^source <\((.*)\)$/, '$1').split(' > ')
  return [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}
