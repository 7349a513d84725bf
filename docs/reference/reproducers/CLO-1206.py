from cloacina import take_task_handle

take_task_handle()
