/** Stamps: what was built from which sources, so that nothing is done twice. And a lock for two that start at once. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { root } from './steps.mjs'

const folder = join(root, '.setup-stamp')
const LOCK_LOOK_MS = 200

/** All files below `paths` (files or folders, from the root) whose name matches, sorted. */
function filesBelow(paths, pattern) {
  const files = []
  for (const path of paths.filter(each => existsSync(join(root, each)))) {
    const entries = readdirIfFolder(path)
    if (entries === null) files.push(path)
    else files.push(...filesBelow(entries.map(entry => join(path, entry)).filter(entry => keeps(entry, pattern)), pattern))
  }
  return files.sort()
}

function readdirIfFolder(path) {
  try {
    return readdirSync(join(root, path))
  } catch (error) {
    if (error.code === 'ENOTDIR') return null
    throw error
  }
}

/** Folders are looked into; files must match. */
function keeps(path, pattern) {
  return pattern.test(path) || readdirIfFolder(path) !== null
}

/**
 * Hash over names and contents.
 * @param {readonly string[]} paths files or folders, from the root
 * @param {RegExp} pattern of the files within folders that count
 * @param {readonly string[]} facts what else the result depends on
 * @returns {string}
 */
export function hashOf(paths, pattern, facts = []) {
  const hash = createHash('sha256')
  for (const fact of facts) hash.update(`${fact}\0`)
  for (const file of filesBelow(paths, pattern)) hash.update(`${file}\0`).update(readFileSync(join(root, file))).update('\0')
  return hash.digest('hex')
}

/** Whether stamp `name` holds `hash`. @param {string} name @param {string} hash */
export function isStamped(name, hash) {
  const file = join(folder, name)
  return existsSync(file) && readFileSync(file, 'utf8') === hash
}

/** @param {string} name @param {string} hash */
export function writeStamp(name, hash) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), hash)
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function tryLock(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return false
  }
}

/** Removes the lock of a process that is gone. A lock just being written is empty, and left alone. */
function dropDeadLock(file) {
  const holder = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
  if (holder > 0 && !isAlive(holder)) rmSync(file, { force: true })
}

/**
 * Runs `work` while no other process does.
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(work) {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'lock')
  for (let turn = 0; !tryLock(file); turn++) {
    if (turn === 1) console.error('setup: another set-up is at work in this folder; waiting for it')
    dropDeadLock(file)
    await pause(LOCK_LOOK_MS)
  }
  const unlock = () => rmSync(file, { force: true })
  process.once('exit', unlock)
  try {
    return await work()
  } finally {
    unlock()
    process.off('exit', unlock)
  }
}
