#!/usr/bin/env node
// What is compiled, or in a clone of the repository the source itself.

import { existsSync } from 'node:fs'

const source = new URL('../src/cli/main.ts', import.meta.url)
await import(existsSync(source) ? source : new URL('../dist/cli/main.js', import.meta.url))
