/** @file Signals that ask a command to stop: Ctrl+C, `kill`, a closed terminal. */

import { removeOwnTemporaries } from "../core/files.js";

/** Exit codes after a stop, as shells report signals: 128 plus the number. */
const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type StopSignal = keyof typeof exitCodes;
const stopSignals = Object.keys(exitCodes) as StopSignal[];

/** Seconds within which a second signal is ignored: npm and npx forward the one that the terminal has sent already. */
const echoSeconds = 0.3;

let received: StopSignal | undefined;

/** The exit code of an interrupted command. */
export function stopExitCode(): number {
  return exitCodes[received ?? "SIGINT"];
}

/** Calls `onStop` for the first signal and `onEnd` before a second one ends the process. Returns a function that stops listening. */
export function listenForStop(onStop: (message: string) => void, onEnd: () => void): () => void {
  let time = 0;
  const listen = (signal: StopSignal): void => {
    if (received === undefined) {
      received = signal;
      time = performance.now();
      const again = signal === "SIGINT" ? "press Ctrl+C again" : `${signal} was received; a second signal is needed`;
      onStop(`stopping at the next safe point; ${again} to end immediately`);
      return;
    }
    if (performance.now() - time < echoSeconds * 1000) return;
    // Not process.exit: onnxruntime aborts (SIGABRT, a core dump) when a worker thread ends inside a run. The default
    // action of the signal ends all threads at once, and the shell sees the right status.
    onEnd();
    removeOwnTemporaries();
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  };
  for (const signal of stopSignals) process.on(signal, listen);
  return () => {
    for (const signal of stopSignals) process.off(signal, listen);
  };
}
