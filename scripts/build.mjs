// Compiles src/ to dist/, with declarations and the SQL files beside their readers.

import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync('tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

for (const file of readdirSync('src', { recursive: true })) {
  if (file.endsWith('.sql')) cpSync(join('src', file), join('dist', file))
}

// The compiler rewrites `./x.ts` in what runs, but not in declarations: there it would ask consumers for a file that we do not
// ship.
for (const file of readdirSync('dist', { recursive: true })) {
  if (!file.endsWith('.d.ts')) continue
  const text = readFileSync(join('dist', file), 'utf8')
  writeFileSync(join('dist', file), text.replaceAll(/(\bfrom |\bimport\()(['"])(\.{1,2}\/[^'"]+)\.ts\2/g, '$1$2$3.js$2'))
}

if (existsSync('dist/cli/main.js')) chmodSync('dist/cli/main.js', 0o755)
