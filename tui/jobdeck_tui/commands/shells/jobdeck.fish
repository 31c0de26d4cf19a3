# Completion of jobdeck in fish, which quotes what jobdeck offers.
function __jobdeck_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct | string collect)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l answer (env _JOBDECK_COMPLETE=fish $program $words "$current" </dev/null 2>/dev/null | string split0)
    switch "$answer[1]"
        case values
            test (count $answer) -gt 1; and string join0 -- $answer[2..-1]
        case files
            string join0 -- (complete -C "'' $current")
        case folders
            string join0 -- (complete -C "cd $current")
        case programs
            string join0 -- (complete -C "$current")
        case 'command *'
            set -l first (math (string replace 'command ' '' -- $answer[1]) + 1)
            string join0 -- (complete -C (string join ' ' -- (string escape -- $words[$first..-1]) "$current"))
    end
end

complete --command jobdeck --no-files --arguments '(__jobdeck_complete | string split0)'
