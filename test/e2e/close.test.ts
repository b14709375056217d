import { expect, test } from 'vitest'
import { statistic, until } from '../../tools/netlab/index.js'
import { describeHosts } from './harness.js'
import { openFromLinux, openFromTas } from './pairs.js'

describeHosts('closing', {}, hosts => {
  test('CLOSE-WAIT: Linux has half-closed -> TAS still sends, then closes', async () => {
    const { peer } = hosts()
    const { socket, remote } = await openFromLinux(hosts())
    await peer.call('end', remote)
    await socket.wait('CONN_RXCLOSED', () => socket.rxClosed)
    await socket.write(Buffer.from('after your FIN'))
    expect(Buffer.from(await peer.call('read', remote, 14)).toString()).toBe('after your FIN')
    socket.connection.close()
    await peer.call('ended', remote)
    expect(await socket.closed()).toBe('')
  })

  test('FIN-WAIT-2: TAS has half-closed -> Linux still sends, then closes', async () => {
    const { peer } = hosts()
    const { socket, remote } = await openFromTas(hosts())
    socket.connection.txClose()
    await peer.call('ended', remote)
    await socket.wait('CONN_TXCLOSED', () => socket.txClosed)
    await peer.call('write', remote, Buffer.from('after your FIN'))
    expect((await socket.read(14)).toString()).toBe('after your FIN')
    await peer.call('end', remote)
    await socket.wait('CONN_RXCLOSED', () => socket.rxClosed)
    socket.connection.close()
    expect(await socket.closed()).toBe('')
  })

  test('ESTABLISHED: TAS closes behind data -> all of it arrives before the FIN', async () => {
    const { peer } = hosts()
    const { socket, remote } = await openFromLinux(hosts())
    const bytes = Buffer.alloc(100_000, 7)
    await socket.write(bytes)
    socket.connection.close()
    expect(Buffer.from(await peer.call('read', remote, bytes.length)).equals(bytes)).toBe(true)
    await peer.call('ended', remote)
    await peer.call('end', remote)
    expect(await peer.call('closed', remote)).toBe('')
  })

  test('ESTABLISHED: both close at once -> an orderly end on both sides', async () => {
    const { peer } = hosts()
    const { socket, remote } = await openFromLinux(hosts())
    const ended = peer.call('end', remote)
    socket.connection.close()
    await ended
    expect(await socket.closed()).toBe('')
    expect(await peer.call('closed', remote)).toBe('')
  })

  test('ESTABLISHED: RST from Linux -> CONN_CLOSED with ECONNRESET', async () => {
    const { socket, remote } = await openFromLinux(hosts())
    await hosts().peer.call('reset', remote)
    expect(await socket.closed()).toBe('ECONNRESET')
  })

  test('ESTABLISHED: TAS aborts -> Linux gets ECONNRESET', async () => {
    const { socket, remote } = await openFromLinux(hosts())
    socket.connection.abort()
    expect(await hosts().peer.call('closed', remote)).toBe('ECONNRESET')
  })

  test('ESTABLISHED: TAS closes with unread bytes -> Linux gets ECONNRESET (RFC 2525, 2.17)', async () => {
    const { peer } = hosts()
    const { socket, remote } = await openFromLinux(hosts())
    socket.stopReading()
    await peer.call('write', remote, Buffer.from('never read'))
    await socket.read(10)
    socket.connection.close()
    expect(await peer.call('closed', remote)).toBe('ECONNRESET')
  })

  test('all closed -> no flow is left but those in TIME-WAIT', async () => {
    await until('no flow is left', async () => {
      const statistics = await hosts().service.statistics()
      return ['flowsSynSent', 'flowsSynReceived', 'flowsEstablished', 'flowsClosing', 'flows']
        .every(name => statistic(statistics, name) === 0)
    }, 20_000)
  })
})
