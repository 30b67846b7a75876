// npm run test:mutants [-- word]   takes away each wall in turn and expects its tests to turn red. Ends with 1 if one stays green.
//
// A mutant lives in a copy of the tree. First the same tests run without an edit: they must be green, or their red means nothing.

import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { moveMutants } from './moves.ts'
import { type Mutant, mutants } from './mutants.ts'
import { placementMutants } from './placements.ts'
import { tenantKeyMutants } from './tenant-keys.ts'

const root = resolve(import.meta.dirname, '../..')
const concurrency = 2
const timeoutMsDefault = 120_000

interface Run {
  readonly passed: number
  readonly failed: number
  readonly exitCode: number | null
}

interface Verdict {
  readonly mutant: Mutant
  readonly survivedIn: readonly string[]
  readonly note: string
  readonly seconds: number
}

const wanted = process.argv.slice(2).filter((word) => !word.startsWith('-'))
const chosen = [...mutants, ...tenantKeyMutants, ...placementMutants, ...moveMutants].filter(({ name }) =>
  wanted.every((word) => name.includes(word)),
)
const base = await mkdtemp(join(tmpdir(), 'partywall-mutants-'))
let isAllRed = chosen.length > 0
try {
  const pairs = chosen.flatMap(({ red, placement = 'pooled', timeoutMs }) => red.map((file) => ({ file, placement, timeoutMs })))
  const once = [...new Map(pairs.map((pair) => [`${pair.placement} ${pair.file}`, pair])).values()]
  const broken = (await inTurn(once, async ({ file, ...how }) => ({ file, run: await runTests(await copyOfTree(), file, how) }))).filter(
    ({ run }) => !isGreen(run),
  )
  for (const { file, run } of broken) console.log(`✖ ${file} is not green without any edit (${run.passed} passed, ${run.failed} failed)`)
  isAllRed &&= broken.length === 0
  if (broken.length === 0) {
    const verdicts = await inTurn(chosen, judge)
    isAllRed = verdicts.every(({ survivedIn }) => survivedIn.length === 0)
    const red = verdicts.filter(({ survivedIn }) => survivedIn.length === 0).length
    console.log(`\n${red} of ${verdicts.length} mutants were found.`)
  }
} finally {
  await rm(base, { recursive: true, force: true })
}
process.exitCode = isAllRed ? 0 : 1

async function judge(mutant: Mutant): Promise<Verdict> {
  const started = performance.now()
  const tree = await copyOfTree()
  const survivedIn: string[] = []
  const counts: string[] = []
  await mutate(tree, mutant)
  for (const file of mutant.red) {
    const run = await runTests(tree, file, mutant)
    const isHanging = run.exitCode === null
    // Nothing passed and nothing failed: it did not even start.
    if (isGreen(run) || (run.passed + run.failed === 0 && !isHanging)) survivedIn.push(file)
    counts.push(isHanging ? 'hangs' : `${run.failed} of ${run.passed + run.failed}`)
  }
  await rm(tree, { recursive: true, force: true })
  const seconds = (performance.now() - started) / 1000
  const mark = survivedIn.length === 0 ? '✔ red  ' : '✖ GREEN'
  const detail = mutant.red.map((file, at) => `${file.replace(/^test\/|\.test\.ts$/g, '')} ${counts[at]}`).join(', ')
  console.log(`${mark} ${mutant.name.padEnd(66)} ${seconds.toFixed(0).padStart(3)} s  ${detail}`)
  return { mutant, survivedIn, note: detail, seconds }
}

async function copyOfTree(): Promise<string> {
  const tree = await mkdtemp(join(base, 'tree-'))
  await Promise.all(
    ['src', 'test', 'docs', 'package.json', 'tsconfig.json'].map((name) => cp(join(root, name), join(tree, name), { recursive: true })),
  )
  await mkdir(join(tree, 'examples'), { recursive: true })
  await symlink(join(root, 'node_modules'), join(tree, 'node_modules'))
  return tree
}

async function mutate(tree: string, mutant: Mutant): Promise<void> {
  for (const { file, from, to } of mutant.edits) {
    const path = join(tree, file)
    const text = await readFile(path, 'utf8')
    const times = text.split(from).length - 1
    if (times !== 1)
      throw new RangeError(`“${mutant.name}”: the text to replace occurs ${times} times in ${file}. Bring the mutant up to date.`)
    await writeFile(
      path,
      text.replace(from, () => to),
    )
  }
}

function runTests(
  tree: string,
  file: string,
  { placement = 'pooled', timeoutMs = timeoutMsDefault }: Pick<Mutant, 'placement' | 'timeoutMs'>,
): Promise<Run> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ['--test', '--test-reporter=tap', file], {
      cwd: tree,
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: timeoutMs,
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, PARTYWALL_TEST_SERVER: undefined, PARTYWALL_TEST_PLACEMENT: placement },
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.on('error', fail)
    child.on('close', (exitCode) => {
      const count = (word: string): number => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0)
      done({ passed: count('pass'), failed: count('fail') + count('cancelled'), exitCode })
    })
  })
}

function isGreen(run: Run): boolean {
  return run.exitCode === 0 && run.failed === 0 && run.passed > 0
}

/** Two at a time, in order. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = new Array(items.length)
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) results[at] = await work(items[at]!)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return results
}
