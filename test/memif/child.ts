/** A Node process that inherits descriptors, from 3 on. */
import { spawn, type ChildProcess } from 'node:child_process'

export class ChildWithFds {
  /** What it printed, once it has ended with 0; an Error with everything it said otherwise. */
  readonly output: Promise<string>
  private readonly child: ChildProcess

  constructor(script: string, args: readonly string[], fds: readonly number[]) {
    this.child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe', ...fds] })
    let out = ''
    let errors = ''
    this.child.stdout?.on('data', (data: Buffer) => { out += data.toString() })
    this.child.stderr?.on('data', (data: Buffer) => { errors += data.toString() })
    this.output = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', (code, signal) => {
        if (code === 0) resolve(out)
        else reject(new Error(`${args.join(' ')} ended with ${signal ?? code}:\n${errors}`))
      })
    })
    // Somebody may look only later, or never: that is no unhandled rejection.
    this.output.catch(() => undefined)
  }

  kill(): void {
    if (this.child.exitCode === null) this.child.kill('SIGKILL')
  }
}
